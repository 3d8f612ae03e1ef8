-- tests/mappings/acme.json by hand.
INSERT INTO canonical.lead AS t (org, sfid, first_name, last_name, full_name, title, company, email, phone, mobile_phone, website, street, city, state, postal_code, country, status, source, industry, annual_revenue, employees, survey_id, respondent_id, interests, consent, consent_at, score, birth_date, budget_min, budget_max, budget_currency, callback_at, answers, created_at, modified_at, extras, source_table, event_id, normalized_at, mapping_version)
SELECT 'acme, by hand', l.sfid,
  nullif(btrim(regexp_replace(firstname, '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(lastname, '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(concat_ws(' ', firstname, lastname), '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(title, '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(company, '\s+', ' ', 'g')), ''),
  CASE WHEN btrim(email) ~ '^[^@\s]+@[^@\s]+\.[^@\s.]+$' THEN lower(btrim(email)) END,
  CASE
    WHEN phone !~ '^[+(]?[0-9]' THEN NULL
    WHEN regexp_replace(phone, '[^0-9+]', '', 'g') ~ '^\+1[2-9][0-9]{9}$' THEN regexp_replace(phone, '[^0-9+]', '', 'g')
    WHEN regexp_replace(phone, '[^0-9+]', '', 'g') ~ '^[2-9][0-9]{9}$' THEN '+1' || regexp_replace(phone, '[^0-9+]', '', 'g')
    END,
  CASE
    WHEN mobilephone !~ '^[+(]?[0-9]' THEN NULL
    WHEN regexp_replace(mobilephone, '[^0-9+]', '', 'g') ~ '^\+1[2-9][0-9]{9}$' THEN regexp_replace(mobilephone, '[^0-9+]', '', 'g')
    WHEN regexp_replace(mobilephone, '[^0-9+]', '', 'g') ~ '^[2-9][0-9]{9}$' THEN '+1' || regexp_replace(mobilephone, '[^0-9+]', '', 'g')
    END,
  CASE
    WHEN w.url !~* '^https?://[^/\s]+\.[^/\s]+' OR w.url ~ '\s' THEN NULL
    WHEN w.url ~ '^[a-z]+://[^/]+$' THEN w.url || '/'
    ELSE w.url END,
  nullif(btrim(regexp_replace(street, '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(city, '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(state, '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(postalcode, '\s+', ' ', 'g')), ''),
  c.code,
  CASE lower(nullif(btrim(regexp_replace(status, '\s+', ' ', 'g')), '')) WHEN 'open - not contacted' THEN 'new' WHEN 'working - contacted' THEN 'working' WHEN 'qualified' THEN 'qualified' WHEN 'closed - converted' THEN 'converted' WHEN 'closed - not converted' THEN 'unqualified' END,
  CASE lower(nullif(btrim(regexp_replace(leadsource, '\s+', ' ', 'g')), '')) WHEN 'web' THEN 'web' WHEN 'phone inquiry' THEN 'other' WHEN 'partner referral' THEN 'referral' WHEN 'survey' THEN 'survey' WHEN 'trade show' THEN 'event' END,
  nullif(btrim(regexp_replace(industry, '\s+', ' ', 'g')), ''),
  annualrevenue::numeric,
  numberofemployees,
  nullif(btrim(regexp_replace(survey_id__c, '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(external_id__c, '\s+', ' ', 'g')), ''),
  (SELECT nullif(array_agg(x ORDER BY n), '{}') FROM (SELECT lower(btrim(v)) AS x, min(n) AS n FROM regexp_split_to_table(interests__c, ';') WITH ORDINALITY s(v, n) WHERE btrim(v) <> '' GROUP BY 1) d),
  gdpr_consent__c,
  gdpr_consent_at__c AT TIME ZONE 'UTC',
  CASE WHEN lead_score__c BETWEEN 0 AND 100 THEN lead_score__c::numeric END,
  birthdate__c,
  budget__c::numeric,
  budget__c::numeric,
  CASE WHEN budget__c IS NOT NULL THEN currencyisocode END,
  callback_at__c AT TIME ZONE 'UTC',
  CASE WHEN answers_json__c ~ '^\s*\{.*\}\s*$' THEN answers_json__c::jsonb END,
  createddate AT TIME ZONE 'UTC',
  systemmodstamp AT TIME ZONE 'UTC',
  nullif(jsonb_strip_nulls(jsonb_build_object('description', description, 'hasoptedoutofemail', hasoptedoutofemail, 'isconverted', isconverted, 'name', name, 'ownerid', ownerid, 'rating', rating, 'territory__c', territory__c, 'utm_campaign__c', utm_campaign__c)), '{}'),
  'acme.lead', '0.0', clock_timestamp(), 1
FROM acme.lead l,
  LATERAL (SELECT CASE WHEN l.website ~* '^https?://' THEN lower(substring(l.website from '^[^/]+//[^/]*')) || regexp_replace(l.website, '^[^/]+//[^/]*', '')
    ELSE 'https://' || btrim(l.website) END AS url) w,
  LATERAL (SELECT CASE lower(nullif(btrim(regexp_replace(l.country, '\s+', ' ', 'g')), '')) WHEN 'us' THEN 'US' WHEN 'usa' THEN 'US' WHEN 'united states' THEN 'US' WHEN 'united states of america' THEN 'US' WHEN 'u.s.a.' THEN 'US' WHEN 'canada' THEN 'CA' WHEN 'can' THEN 'CA' END AS code) c
ON CONFLICT (org, sfid) DO UPDATE SET first_name = excluded.first_name, last_name = excluded.last_name, full_name = excluded.full_name, title = excluded.title, company = excluded.company, email = excluded.email, phone = excluded.phone, mobile_phone = excluded.mobile_phone, website = excluded.website, street = excluded.street, city = excluded.city, state = excluded.state, postal_code = excluded.postal_code, country = excluded.country, status = excluded.status, source = excluded.source, industry = excluded.industry, annual_revenue = excluded.annual_revenue, employees = excluded.employees, survey_id = excluded.survey_id, respondent_id = excluded.respondent_id, interests = excluded.interests, consent = excluded.consent, consent_at = excluded.consent_at, score = excluded.score, birth_date = excluded.birth_date, budget_min = excluded.budget_min, budget_max = excluded.budget_max, budget_currency = excluded.budget_currency, callback_at = excluded.callback_at, answers = excluded.answers, created_at = excluded.created_at, modified_at = excluded.modified_at, extras = excluded.extras
WHERE (t.first_name, t.last_name, t.full_name, t.title, t.company, t.email, t.phone, t.mobile_phone, t.website, t.street, t.city, t.state, t.postal_code, t.country, t.status, t.source, t.industry, t.annual_revenue, t.employees, t.survey_id, t.respondent_id, t.interests, t.consent, t.consent_at, t.score, t.birth_date, t.budget_min, t.budget_max, t.budget_currency, t.callback_at, t.answers, t.created_at, t.modified_at, t.extras)
  IS DISTINCT FROM (excluded.first_name, excluded.last_name, excluded.full_name, excluded.title, excluded.company, excluded.email, excluded.phone, excluded.mobile_phone, excluded.website, excluded.street, excluded.city, excluded.state, excluded.postal_code, excluded.country, excluded.status, excluded.source, excluded.industry, excluded.annual_revenue, excluded.employees, excluded.survey_id, excluded.respondent_id, excluded.interests, excluded.consent, excluded.consent_at, excluded.score, excluded.birth_date, excluded.budget_min, excluded.budget_max, excluded.budget_currency, excluded.callback_at, excluded.answers, excluded.created_at, excluded.modified_at, excluded.extras)
