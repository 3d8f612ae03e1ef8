-- tests/mappings/initech.json by hand.
INSERT INTO canonical.lead AS t (org, sfid, first_name, last_name, full_name, title, company, email, phone, mobile_phone, website, street, city, state, postal_code, country, status, source, industry, annual_revenue, employees, survey_id, respondent_id, interests, consent, consent_at, score, birth_date, budget_min, budget_max, budget_currency, callback_at, answers, created_at, modified_at, extras, source_table, event_id, normalized_at, mapping_version)
SELECT 'initech, by hand', l.sfid,
  nullif(regexp_replace(nullif(btrim(regexp_replace(name, '\s+', ' ', 'g')), ''), ' ?[^ ]+$', ''), ''),
  substring(nullif(btrim(regexp_replace(name, '\s+', ' ', 'g')), '') from '[^ ]+$'),
  nullif(btrim(regexp_replace(name, '\s+', ' ', 'g')), ''),
  NULL,
  nullif(btrim(regexp_replace(company, '\s+', ' ', 'g')), ''),
  CASE WHEN btrim(email) ~ '^[^@\s]+@[^@\s]+\.[^@\s.]+$' THEN lower(btrim(email)) END,
  CASE
    WHEN phone !~ '^[+(]?[0-9]' THEN NULL
    WHEN regexp_replace(phone, '[^0-9+]', '', 'g') ~ '^\+[1-9][0-9]{9,12}$' THEN regexp_replace(phone, '[^0-9+]', '', 'g')
    WHEN regexp_replace(phone, '[^0-9+]', '', 'g') ~ '^00[1-9][0-9]{9,12}$' THEN '+' || substr(regexp_replace(phone, '[^0-9+]', '', 'g'), 3)
    WHEN regexp_replace(phone, '[^0-9+]', '', 'g') ~ '^0[1-9][0-9]{8,9}$' THEN coalesce(CASE c.code WHEN 'US' THEN '+1' WHEN 'GB' THEN '+44' WHEN 'IE' THEN '+353' WHEN 'DE' THEN '+49' WHEN 'FR' THEN '+33' WHEN 'BE' THEN '+32' WHEN 'CH' THEN '+41' WHEN 'LU' THEN '+352' END, '+33') || substr(regexp_replace(phone, '[^0-9+]', '', 'g'), 2)
    END,
  CASE
    WHEN mobilephone !~ '^[+(]?[0-9]' THEN NULL
    WHEN regexp_replace(mobilephone, '[^0-9+]', '', 'g') ~ '^\+[1-9][0-9]{9,12}$' THEN regexp_replace(mobilephone, '[^0-9+]', '', 'g')
    WHEN regexp_replace(mobilephone, '[^0-9+]', '', 'g') ~ '^00[1-9][0-9]{9,12}$' THEN '+' || substr(regexp_replace(mobilephone, '[^0-9+]', '', 'g'), 3)
    WHEN regexp_replace(mobilephone, '[^0-9+]', '', 'g') ~ '^0[1-9][0-9]{8,9}$' THEN coalesce(CASE c.code WHEN 'US' THEN '+1' WHEN 'GB' THEN '+44' WHEN 'IE' THEN '+353' WHEN 'DE' THEN '+49' WHEN 'FR' THEN '+33' WHEN 'BE' THEN '+32' WHEN 'CH' THEN '+41' WHEN 'LU' THEN '+352' END, '+33') || substr(regexp_replace(mobilephone, '[^0-9+]', '', 'g'), 2)
    END,
  CASE
    WHEN w.url !~* '^https?://[^/\s]+\.[^/\s]+' OR w.url ~ '\s' THEN NULL
    WHEN w.url ~ '^[a-z]+://[^/]+$' THEN w.url || '/'
    ELSE w.url END,
  nullif(btrim(regexp_replace(street, '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(city, '\s+', ' ', 'g')), ''),
  NULL,
  nullif(btrim(regexp_replace(postalcode, '\s+', ' ', 'g')), ''),
  c.code,
  CASE lower(nullif(btrim(regexp_replace(status, '\s+', ' ', 'g')), '')) WHEN 'nouveau' THEN 'new' WHEN 'en cours' THEN 'working' WHEN 'qualifié' THEN 'qualified' WHEN 'perdu' THEN 'unqualified' WHEN 'gagné' THEN 'converted' END,
  CASE lower(nullif(btrim(regexp_replace(leadsource, '\s+', ' ', 'g')), '')) WHEN 'enquête' THEN 'survey' WHEN 'site web' THEN 'web' WHEN 'recommandation' THEN 'referral' WHEN 'salon' THEN 'event' WHEN 'partenaire' THEN 'partner' END,
  NULL,
  CASE WHEN chiffre_affaires__c ~ '^[0-9]+([  ][0-9]{3})*(,[0-9]+)?$' THEN replace(regexp_replace(chiffre_affaires__c, '[  ]', '', 'g'), ',', '.')::numeric END,
  NULL,
  nullif(btrim(regexp_replace(fm__survey__c, '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(respondent__r__guid__c, '\s+', ' ', 'g')), ''),
  nullif(array_remove(ARRAY[CASE WHEN interested_in_solar__c THEN 'solar' END, CASE WHEN interested_in_pump__c THEN 'heat pump' END], NULL), '{}'),
  CASE WHEN consent_date__c IS NOT NULL THEN true END,
  consent_date__c AT TIME ZONE 'UTC',
  NULL,
  NULL,
  CASE budget_range__c WHEN '5k-10k' THEN 5000 WHEN '10k-20k' THEN 10000 WHEN 'Plus de 20k' THEN 20000 END,
  CASE budget_range__c WHEN 'Moins de 5k' THEN 5000 WHEN '5k-10k' THEN 10000 WHEN '10k-20k' THEN 20000 END,
  CASE WHEN budget_range__c IN ('Moins de 5k', '5k-10k', '10k-20k', 'Plus de 20k') THEN 'EUR' END,
  NULL,
  NULL,
  createddate AT TIME ZONE 'UTC',
  systemmodstamp AT TIME ZONE 'UTC',
  nullif(jsonb_strip_nulls(jsonb_build_object('age_band__c', age_band__c, 'best_time__c', best_time__c, 'description', description, 'hasoptedoutofemail', hasoptedoutofemail, 'isconverted', isconverted, 'ownerid', ownerid, 'rating', rating)), '{}'),
  'initech.lead', '0.0', clock_timestamp(), 1
FROM initech.lead l,
  LATERAL (SELECT CASE WHEN l.website ~* '^https?://' THEN lower(substring(l.website from '^[^/]+//[^/]*')) || regexp_replace(l.website, '^[^/]+//[^/]*', '')
    ELSE 'https://' || btrim(l.website) END AS url) w,
  LATERAL (SELECT CASE lower(nullif(btrim(regexp_replace(l.country, '\s+', ' ', 'g')), '')) WHEN 'fr' THEN 'FR' WHEN 'france' THEN 'FR' WHEN 'allemagne' THEN 'DE' WHEN 'belgique' THEN 'BE' WHEN 'suisse' THEN 'CH' WHEN 'royaume-uni' THEN 'GB' WHEN 'luxembourg' THEN 'LU' END AS code) c
ON CONFLICT (org, sfid) DO UPDATE SET first_name = excluded.first_name, last_name = excluded.last_name, full_name = excluded.full_name, title = excluded.title, company = excluded.company, email = excluded.email, phone = excluded.phone, mobile_phone = excluded.mobile_phone, website = excluded.website, street = excluded.street, city = excluded.city, state = excluded.state, postal_code = excluded.postal_code, country = excluded.country, status = excluded.status, source = excluded.source, industry = excluded.industry, annual_revenue = excluded.annual_revenue, employees = excluded.employees, survey_id = excluded.survey_id, respondent_id = excluded.respondent_id, interests = excluded.interests, consent = excluded.consent, consent_at = excluded.consent_at, score = excluded.score, birth_date = excluded.birth_date, budget_min = excluded.budget_min, budget_max = excluded.budget_max, budget_currency = excluded.budget_currency, callback_at = excluded.callback_at, answers = excluded.answers, created_at = excluded.created_at, modified_at = excluded.modified_at, extras = excluded.extras
WHERE (t.first_name, t.last_name, t.full_name, t.title, t.company, t.email, t.phone, t.mobile_phone, t.website, t.street, t.city, t.state, t.postal_code, t.country, t.status, t.source, t.industry, t.annual_revenue, t.employees, t.survey_id, t.respondent_id, t.interests, t.consent, t.consent_at, t.score, t.birth_date, t.budget_min, t.budget_max, t.budget_currency, t.callback_at, t.answers, t.created_at, t.modified_at, t.extras)
  IS DISTINCT FROM (excluded.first_name, excluded.last_name, excluded.full_name, excluded.title, excluded.company, excluded.email, excluded.phone, excluded.mobile_phone, excluded.website, excluded.street, excluded.city, excluded.state, excluded.postal_code, excluded.country, excluded.status, excluded.source, excluded.industry, excluded.annual_revenue, excluded.employees, excluded.survey_id, excluded.respondent_id, excluded.interests, excluded.consent, excluded.consent_at, excluded.score, excluded.birth_date, excluded.budget_min, excluded.budget_max, excluded.budget_currency, excluded.callback_at, excluded.answers, excluded.created_at, excluded.modified_at, excluded.extras)
