-- tests/mappings/globex.json by hand.
INSERT INTO canonical.lead AS t (org, sfid, first_name, last_name, full_name, title, company, email, phone, mobile_phone, website, street, city, state, postal_code, country, status, source, industry, annual_revenue, employees, survey_id, respondent_id, interests, consent, consent_at, score, birth_date, budget_min, budget_max, budget_currency, callback_at, answers, created_at, modified_at, extras, source_table, event_id, normalized_at, mapping_version)
SELECT 'globex, by hand', l.sfid,
  nullif(btrim(regexp_replace(firstname, '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(lastname, '\s+', ' ', 'g')), ''),
  nullif(btrim(regexp_replace(concat_ws(' ', firstname, lastname), '\s+', ' ', 'g')), ''),
  NULL,
  nullif(btrim(regexp_replace(company, '\s+', ' ', 'g')), ''),
  CASE WHEN btrim(email) ~ '^[^@\s]+@[^@\s]+\.[^@\s.]+$' THEN lower(btrim(email)) END,
  CASE
    WHEN phone !~ '^[+(]?[0-9]' THEN NULL
    WHEN regexp_replace(phone, '[^0-9+]', '', 'g') ~ '^\+[1-9][0-9]{9,12}$' THEN regexp_replace(phone, '[^0-9+]', '', 'g')
    WHEN regexp_replace(phone, '[^0-9+]', '', 'g') ~ '^00[1-9][0-9]{9,12}$' THEN '+' || substr(regexp_replace(phone, '[^0-9+]', '', 'g'), 3)
    WHEN regexp_replace(phone, '[^0-9+]', '', 'g') ~ '^0[1-9][0-9]{8,9}$' THEN coalesce(CASE c.code WHEN 'US' THEN '+1' WHEN 'GB' THEN '+44' WHEN 'IE' THEN '+353' WHEN 'DE' THEN '+49' WHEN 'FR' THEN '+33' WHEN 'BE' THEN '+32' WHEN 'CH' THEN '+41' WHEN 'LU' THEN '+352' END, '+44') || substr(regexp_replace(phone, '[^0-9+]', '', 'g'), 2)
    END,
  CASE
    WHEN mobilephone !~ '^[+(]?[0-9]' THEN NULL
    WHEN regexp_replace(mobilephone, '[^0-9+]', '', 'g') ~ '^\+[1-9][0-9]{9,12}$' THEN regexp_replace(mobilephone, '[^0-9+]', '', 'g')
    WHEN regexp_replace(mobilephone, '[^0-9+]', '', 'g') ~ '^00[1-9][0-9]{9,12}$' THEN '+' || substr(regexp_replace(mobilephone, '[^0-9+]', '', 'g'), 3)
    WHEN regexp_replace(mobilephone, '[^0-9+]', '', 'g') ~ '^0[1-9][0-9]{8,9}$' THEN coalesce(CASE c.code WHEN 'US' THEN '+1' WHEN 'GB' THEN '+44' WHEN 'IE' THEN '+353' WHEN 'DE' THEN '+49' WHEN 'FR' THEN '+33' WHEN 'BE' THEN '+32' WHEN 'CH' THEN '+41' WHEN 'LU' THEN '+352' END, '+44') || substr(regexp_replace(mobilephone, '[^0-9+]', '', 'g'), 2)
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
  CASE lower(nullif(btrim(regexp_replace(status, '\s+', ' ', 'g')), '')) WHEN 'new' THEN 'new' WHEN 'contacted' THEN 'working' WHEN 'sql' THEN 'qualified' WHEN 'rejected' THEN 'unqualified' WHEN 'won' THEN 'converted' END,
  CASE lower(nullif(btrim(regexp_replace(leadsource, '\s+', ' ', 'g')), '')) WHEN 'panel' THEN 'survey' WHEN 'website' THEN 'web' WHEN 'word of mouth' THEN 'referral' WHEN 'exhibition' THEN 'event' END,
  nullif(btrim(regexp_replace(industry, '\s+', ' ', 'g')), ''),
  NULL,
  numberofemployees,
  surveyref__c::bigint::text,
  nullif(btrim(regexp_replace(panelist_no__c, '\s+', ' ', 'g')), ''),
  (SELECT nullif(array_agg(x ORDER BY n), '{}') FROM (SELECT lower(btrim(v)) AS x, min(n) AS n FROM unnest(ARRAY[interest_1__c, interest_2__c, interest_3__c]) WITH ORDINALITY s(v, n) WHERE btrim(v) <> '' GROUP BY 1) d),
  CASE WHEN lower(btrim(opt_in__c)) IN ('yes', 'y', 'opted in', '1') THEN true WHEN lower(btrim(opt_in__c)) IN ('no', 'n', 'opted out', '0') THEN false END,
  NULL,
  CASE upper(btrim(grade__c)) WHEN 'A' THEN 95 WHEN 'B' THEN 80 WHEN 'C' THEN 65 WHEN 'D' THEN 50 WHEN 'E' THEN 35 END,
  CASE WHEN dob__c ~ '^(0[1-9]|[12][0-9]|3[01])/(0[1-9]|1[0-2])/[0-9]{4}$' AND NOT (substr(dob__c, 4, 2) IN ('02', '04', '06', '09', '11') AND left(dob__c, 2)::int > 28) THEN to_date(dob__c, 'DD/MM/YYYY') END,
  budget_eur__c::numeric,
  budget_eur__c::numeric,
  CASE WHEN budget_eur__c IS NOT NULL THEN 'EUR' END,
  (callback_date__c + callback_time__c) AT TIME ZONE 'Europe/London',
  nullif(jsonb_strip_nulls(jsonb_build_object('q1', q1__c, 'q2', q2__c, 'q3', q3__c, 'q4', q4__c, 'q5', q5__c, 'q6', q6__c, 'q7', q7__c, 'q8', q8__c, 'q9', q9__c, 'q10', q10__c, 'q11', q11__c, 'q12', q12__c)), '{}'),
  createddate AT TIME ZONE 'UTC',
  systemmodstamp AT TIME ZONE 'UTC',
  nullif(jsonb_strip_nulls(jsonb_build_object('description', description, 'hasoptedoutofemail', hasoptedoutofemail, 'isconverted', isconverted, 'name', name, 'ownerid', ownerid, 'rating', rating)), '{}'),
  'globex.lead', '0.0', clock_timestamp(), 1
FROM globex.lead l,
  LATERAL (SELECT CASE WHEN l.website ~* '^https?://' THEN lower(substring(l.website from '^[^/]+//[^/]*')) || regexp_replace(l.website, '^[^/]+//[^/]*', '')
    ELSE 'https://' || btrim(l.website) END AS url) w,
  LATERAL (SELECT CASE lower(nullif(btrim(regexp_replace(l.country, '\s+', ' ', 'g')), '')) WHEN 'gb' THEN 'GB' WHEN 'gbr' THEN 'GB' WHEN 'united kingdom' THEN 'GB' WHEN 'uk' THEN 'GB' WHEN 'england' THEN 'GB' WHEN 'scotland' THEN 'GB' WHEN 'ireland' THEN 'IE' WHEN 'germany' THEN 'DE' END AS code) c
ON CONFLICT (org, sfid) DO UPDATE SET first_name = excluded.first_name, last_name = excluded.last_name, full_name = excluded.full_name, title = excluded.title, company = excluded.company, email = excluded.email, phone = excluded.phone, mobile_phone = excluded.mobile_phone, website = excluded.website, street = excluded.street, city = excluded.city, state = excluded.state, postal_code = excluded.postal_code, country = excluded.country, status = excluded.status, source = excluded.source, industry = excluded.industry, annual_revenue = excluded.annual_revenue, employees = excluded.employees, survey_id = excluded.survey_id, respondent_id = excluded.respondent_id, interests = excluded.interests, consent = excluded.consent, consent_at = excluded.consent_at, score = excluded.score, birth_date = excluded.birth_date, budget_min = excluded.budget_min, budget_max = excluded.budget_max, budget_currency = excluded.budget_currency, callback_at = excluded.callback_at, answers = excluded.answers, created_at = excluded.created_at, modified_at = excluded.modified_at, extras = excluded.extras
WHERE (t.first_name, t.last_name, t.full_name, t.title, t.company, t.email, t.phone, t.mobile_phone, t.website, t.street, t.city, t.state, t.postal_code, t.country, t.status, t.source, t.industry, t.annual_revenue, t.employees, t.survey_id, t.respondent_id, t.interests, t.consent, t.consent_at, t.score, t.birth_date, t.budget_min, t.budget_max, t.budget_currency, t.callback_at, t.answers, t.created_at, t.modified_at, t.extras)
  IS DISTINCT FROM (excluded.first_name, excluded.last_name, excluded.full_name, excluded.title, excluded.company, excluded.email, excluded.phone, excluded.mobile_phone, excluded.website, excluded.street, excluded.city, excluded.state, excluded.postal_code, excluded.country, excluded.status, excluded.source, excluded.industry, excluded.annual_revenue, excluded.employees, excluded.survey_id, excluded.respondent_id, excluded.interests, excluded.consent, excluded.consent_at, excluded.score, excluded.birth_date, excluded.budget_min, excluded.budget_max, excluded.budget_currency, excluded.callback_at, excluded.answers, excluded.created_at, excluded.modified_at, excluded.extras)
