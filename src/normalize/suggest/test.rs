//! The fixture orgs and some made up in other languages: does the right column come first?

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{Knowledge, SURE, Suggestion, mapping, suggest};
use crate::normalize::Org;
use crate::normalize::compile::compile_json;
use crate::normalize::compile_test::layout;
use crate::normalize::entity::Entity;
use crate::normalize::fixture_test::{fixtures, oid, rows, value};
use crate::normalize::preview::Sample;

const ORGS: [(&str, &str, &str); 3] =
    [("acme", "US", "UTC"), ("globex", "GB", "Europe/London"), ("initech", "FR", "Europe/Paris")];

/// What `about.md` says feeds each field that has a column.
fn truth(org: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let same = [
        ("company", "company"),
        ("email", "email"),
        ("phone", "phone"),
        ("mobile_phone", "mobilephone"),
        ("website", "website"),
        ("street", "street"),
        ("city", "city"),
        ("postal_code", "postalcode"),
        ("country", "country"),
        ("status", "status"),
        ("source", "leadsource"),
        ("created_at", "createddate"),
        ("modified_at", "systemmodstamp"),
    ];
    let with_names = [
        ("first_name", "firstname"),
        ("last_name", "lastname"),
        ("full_name", "firstname lastname"),
        ("state", "state"),
        ("industry", "industry"),
        ("employees", "numberofemployees"),
    ];
    let acme = [
        ("title", "title"),
        ("annual_revenue", "annualrevenue"),
        ("survey_id", "survey_id__c"),
        ("respondent_id", "external_id__c"),
        ("interests", "interests__c"),
        ("consent", "gdpr_consent__c"),
        ("consent_at", "gdpr_consent_at__c"),
        ("score", "lead_score__c"),
        ("birth_date", "birthdate__c"),
        ("budget_min", "budget__c"),
        ("budget_max", "budget__c"),
        ("budget_currency", "currencyisocode"),
        ("callback_at", "callback_at__c"),
        ("answers", "answers_json__c"),
    ];
    let globex = [
        ("survey_id", "surveyref__c"),
        ("respondent_id", "panelist_no__c"),
        ("interests", "interest_1__c interest_2__c interest_3__c"),
        ("consent", "opt_in__c"),
        ("score", "grade__c"),
        ("birth_date", "dob__c"),
        ("budget_min", "budget_eur__c"),
        ("budget_max", "budget_eur__c"),
        ("budget_currency", "budget_eur__c"),
        ("callback_at", "callback_date__c callback_time__c"),
        ("answers", "q1__c q2__c q3__c q4__c q5__c q6__c q7__c q8__c q9__c q10__c q11__c q12__c"),
    ];
    let initech = [
        ("first_name", "name"),
        ("last_name", "name"),
        ("full_name", "name"),
        ("annual_revenue", "chiffre_affaires__c"),
        ("survey_id", "fm__survey__c"),
        ("respondent_id", "respondent__r__guid__c"),
        ("interests", "interested_in_pump__c interested_in_solar__c"),
        ("consent", "consent_date__c"),
        ("consent_at", "consent_date__c"),
        ("budget_min", "budget_range__c"),
        ("budget_max", "budget_range__c"),
        ("budget_currency", "budget_range__c"),
    ];
    let own: Vec<(&str, &str)> = match org {
        "acme" => with_names.into_iter().chain(acme).collect(),
        "globex" => with_names.into_iter().chain(globex).collect(),
        _ => initech.to_vec(),
    };
    let all = same.into_iter().chain(own);
    all.map(|(field, columns)| (field, columns.split(' ').collect())).collect()
}

fn lead() -> Entity {
    Entity::built_in("lead").unwrap().unwrap()
}

fn org(name: &str, region: &str, zone: &str) -> Org {
    Org { name: name.into(), phone_region: Some(region.into()), time_zone: zone.into() }
}

fn fixture(name: &str) -> Option<Sample> {
    let folder = fixtures().join("orgs").join(name);
    let text = std::fs::read_to_string(folder.join("columns.json")).ok()?;
    let columns: Json = serde_json::from_str(&text).unwrap();
    let columns: Vec<(&str, u32)> = columns["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["name"].as_str().unwrap(), oid(c["type"].as_str().unwrap())))
        .collect();
    let (_, leads) = rows(&folder.join("lead.csv"));
    let row = |row: &std::collections::BTreeMap<String, String>| {
        columns.iter().map(|(name, oid)| value(&row[*name], *oid).into_owned()).collect()
    };
    Some(Sample {
        layout: layout(&columns),
        rows: leads.iter().take(300).map(row).collect(),
        slots: Vec::new(),
    })
}

/// The suggestions whose columns are not those that are meant, and how many there are in all.
fn wrong(suggestions: &[Suggestion], truth: &[(&str, Vec<&str>)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (field, columns) in truth {
        let first = suggestions.iter().find(|s| s.field == *field && s.rank == 1);
        let found: BTreeSet<&str> =
            first.iter().flat_map(|s| &s.columns).map(String::as_str).collect();
        if found != columns.iter().copied().collect() {
            wrong.push(format!("{field}: {found:?}, not {columns:?}"));
        }
    }
    wrong
}

fn count(knowledge: impl Fn(&str) -> Knowledge) -> Option<(usize, usize)> {
    let (mut right, mut all) = (0, 0);
    for (name, region, zone) in ORGS {
        let sample = fixture(name)?;
        let org = org(name, region, zone);
        let found = suggest(&lead(), &sample, &org, &knowledge(name));
        let truth = truth(name);
        let wrong = wrong(&found, &truth);
        println!("{name}: {} of {}; {}", truth.len() - wrong.len(), truth.len(), wrong.join("; "));
        right += truth.len() - wrong.len();
        all += truth.len();
        // All of it is a mapping that can be set.
        let json = mapping(&found, SURE);
        if let Err(errors) = compile_json(&json, &lead(), &sample.layout, &org) {
            panic!("{name}: {errors:?}\n{json}");
        }
        for suggestion in found {
            assert!((0.0..=1.0).contains(&suggestion.confidence) && !suggestion.reason.is_empty());
        }
    }
    Some((right, all))
}

#[test]
fn the_right_column_comes_first_without_knowing_other_orgs() {
    let Some((right, all)) = count(|_| Knowledge::default()) else {
        return println!("no fixtures: nothing compared");
    };
    println!("without learning: {right} of {all}");
    assert!(right * 10 >= all * 9, "{right} of {all}");
}

#[test]
fn the_right_column_comes_first_when_the_other_two_orgs_are_known() {
    let others = |name: &str| {
        let mut knowledge = Knowledge::default();
        for (other, ..) in ORGS.iter().filter(|(other, ..)| *other != name) {
            let path = format!("{}/tests/mappings/{other}.json", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            knowledge.learn(&serde_json::from_str(&text).unwrap());
        }
        knowledge
    };
    let Some((right, all)) = count(others) else {
        return println!("no fixtures: nothing compared");
    };
    println!("with the two other orgs known: {right} of {all}");
    assert!(right * 10 >= all * 9, "{right} of {all}");
}

/// An org as columns with their type's OID and a few values each.
fn made_up(columns: &[(&str, u32, &[&str])], n: usize) -> Sample {
    let names: Vec<(&str, u32)> = columns.iter().map(|(name, oid, _)| (*name, *oid)).collect();
    let row = |at: usize| {
        columns
            .iter()
            .map(|(_, oid, values)| {
                value(values.get(at % values.len().max(1)).copied().unwrap_or(""), *oid)
                    .into_owned()
            })
            .collect()
    };
    Sample { layout: layout(&names), rows: (0..n).map(row).collect(), slots: Vec::new() }
}

const TEXT: u32 = 1043;
const NUMBER: u32 = 701;

#[test]
fn a_german_org() {
    let sample = made_up(
        &[
            ("id", 23, &["1"]),
            ("sfid", TEXT, &["00Q1a000000001AAQ1"]),
            ("umf__vorname__c", TEXT, &["Anna", "Jürgen", "Karl Heinz"]),
            ("umf__nachname__c", TEXT, &["Müller", "Groß"]),
            ("firmenname__c", TEXT, &["Müller GmbH", "Groß & Söhne"]),
            ("mailadresse__c", TEXT, &["a.mueller@example.de", "gross@example.com"]),
            ("telefonnummer__c", TEXT, &["030 901820", "089 2180 0"]),
            ("handynummer__c", TEXT, &["0171 1234567", "+49 160 1234567"]),
            ("webseite__c", TEXT, &["www.mueller.de", "https://gross.example"]),
            ("strasse__c", TEXT, &["Hauptstr. 1", "Am Markt 5"]),
            ("plz__c", TEXT, &["10115", "80331"]),
            ("ort__c", TEXT, &["Berlin", "München"]),
            ("bundesland__c", TEXT, &["Berlin", "Bayern"]),
            ("land__c", TEXT, &["DE", "AT", "Germany"]),
            (
                "leadstatus__c",
                TEXT,
                &["Neu", "In Bearbeitung", "Qualifiziert", "Verloren", "Gewonnen"],
            ),
            ("herkunft__c", TEXT, &["Umfrage", "Webseite", "Messe", "Empfehlung"]),
            ("branche__c", TEXT, &["Bau", "Handel"]),
            ("jahresumsatz__c", TEXT, &["1.234.567,89", "12.000,00"]),
            ("mitarbeiterzahl__c", 23, &["12", "350"]),
            ("umfrage_nr__c", TEXT, &["U-17", "U-18"]),
            ("teilnehmernummer__c", TEXT, &["T1", "T2", "T3"]),
            ("interessen__c", TEXT, &["Solar;Wärmepumpe", "Solar"]),
            ("dsgvo_einwilligung__c", TEXT, &["Ja", "Nein"]),
            ("einwilligung_am__c", 1114, &["2024-01-02 03:04:05"]),
            ("bewertung__c", NUMBER, &["12", "99"]),
            ("geburtsdatum__c", TEXT, &["31.12.1980", "01.02.1990"]),
            ("budgetrahmen__c", TEXT, &["unter 5.000 €", "5.000 - 10.000 €", "über 10.000 €"]),
            ("rueckruf_datum__c", 1082, &["2024-05-06"]),
            ("rueckruf_uhrzeit__c", 1083, &["14:30:00"]),
            ("frage_1__c", TEXT, &["ja", "nein"]),
            ("frage_2__c", TEXT, &["gut", "3"]),
            ("frage_3__c", TEXT, &["rot"]),
            ("createddate", 1114, &["2024-01-02 03:04:05"]),
            ("systemmodstamp", 1114, &["2024-01-03 03:04:05"]),
        ],
        60,
    );
    let truth = [
        ("first_name", "umf__vorname__c"),
        ("last_name", "umf__nachname__c"),
        ("full_name", "umf__vorname__c umf__nachname__c"),
        ("company", "firmenname__c"),
        ("email", "mailadresse__c"),
        ("phone", "telefonnummer__c"),
        ("mobile_phone", "handynummer__c"),
        ("website", "webseite__c"),
        ("street", "strasse__c"),
        ("postal_code", "plz__c"),
        ("city", "ort__c"),
        ("state", "bundesland__c"),
        ("country", "land__c"),
        ("status", "leadstatus__c"),
        ("source", "herkunft__c"),
        ("industry", "branche__c"),
        ("annual_revenue", "jahresumsatz__c"),
        ("employees", "mitarbeiterzahl__c"),
        ("survey_id", "umfrage_nr__c"),
        ("respondent_id", "teilnehmernummer__c"),
        ("interests", "interessen__c"),
        ("consent", "dsgvo_einwilligung__c"),
        ("consent_at", "einwilligung_am__c"),
        ("score", "bewertung__c"),
        ("birth_date", "geburtsdatum__c"),
        ("budget_min", "budgetrahmen__c"),
        ("budget_max", "budgetrahmen__c"),
        ("budget_currency", "budgetrahmen__c"),
        ("callback_at", "rueckruf_datum__c rueckruf_uhrzeit__c"),
        ("answers", "frage_1__c frage_2__c frage_3__c"),
        ("created_at", "createddate"),
    ];
    let found = check(&sample, "DE", "Europe/Berlin", &truth);
    let fields = &mapping(&found, SURE)["fields"];
    assert_eq!(fields["birth_date"]["rules"], json!([{"date": "%d.%m.%Y"}]));
    assert_eq!(
        fields["annual_revenue"]["rules"],
        json!([{"number": {"decimal": ",", "group": "."}}])
    );
    assert_eq!(fields["status"]["rules"][1]["map"]["Verloren"], "unqualified");
    assert_eq!(fields["source"]["rules"][1]["map"]["Messe"], "event");
    assert_eq!(fields["budget_max"]["rules"][0]["map"]["unter 5.000 €"], 5000);
}

#[test]
fn orgs_in_spanish_italian_and_dutch() {
    let spanish = made_up(
        &[
            ("sfid", TEXT, &["00Q1a000000001AAQ1"]),
            ("nombre__c", TEXT, &["Ana", "José Luis", "Pedro"]),
            ("apellidos__c", TEXT, &["García López", "Pérez"]),
            ("empresa__c", TEXT, &["Empresa SA"]),
            ("correo_electronico__c", TEXT, &["ana@example.es", "pedro@example.es"]),
            ("telefono_fijo__c", TEXT, &["912 345 678"]),
            ("telefono_movil__c", TEXT, &["612 345 678"]),
            ("codigo_postal__c", TEXT, &["28001"]),
            ("ciudad__c", TEXT, &["Madrid", "Sevilla"]),
            ("pais__c", TEXT, &["ES", "España", "Alemania"]),
            ("facturacion_anual__c", TEXT, &["1.234,50", "99.000,00"]),
            ("numero_empleados__c", 23, &["5"]),
            ("fecha_nacimiento__c", TEXT, &["31/12/1980", "01/02/1990"]),
            ("consentimiento__c", TEXT, &["Sí", "No"]),
            ("fecha_consentimiento__c", 1114, &["2024-01-02 03:04:05"]),
            ("puntuacion__c", NUMBER, &["50"]),
        ],
        40,
    );
    let truth = [
        ("first_name", "nombre__c"),
        ("last_name", "apellidos__c"),
        ("company", "empresa__c"),
        ("email", "correo_electronico__c"),
        ("phone", "telefono_fijo__c"),
        ("mobile_phone", "telefono_movil__c"),
        ("postal_code", "codigo_postal__c"),
        ("city", "ciudad__c"),
        ("country", "pais__c"),
        ("annual_revenue", "facturacion_anual__c"),
        ("employees", "numero_empleados__c"),
        ("birth_date", "fecha_nacimiento__c"),
        ("consent", "consentimiento__c"),
        ("consent_at", "fecha_consentimiento__c"),
        ("score", "puntuacion__c"),
    ];
    let found = check(&spanish, "ES", "Europe/Madrid", &truth);
    let fields = &mapping(&found, SURE)["fields"];
    assert_eq!(fields["country"]["rules"][0]["country"]["aliases"]["Alemania"], "DE");
    let italian = made_up(
        &[
            ("sfid", TEXT, &["00Q1a000000001AAQ1"]),
            ("it__nome__c", TEXT, &["Anna", "Luca"]),
            ("it__cognome__c", TEXT, &["Rossi", "De Luca"]),
            ("ragione_sociale__c", TEXT, &["Rossi S.p.A."]),
            ("cellulare__c", TEXT, &["347 1234567"]),
            ("indirizzo__c", TEXT, &["Via Roma 1"]),
            ("cap__c", TEXT, &["00184"]),
            ("citta__c", TEXT, &["Roma"]),
            ("fatturato__c", TEXT, &["1.234,50"]),
            ("dipendenti__c", 23, &["5"]),
            ("data_di_nascita__c", TEXT, &["31/12/1980"]),
            ("consenso_privacy__c", 16, &["t", "f"]),
            ("punteggio__c", NUMBER, &["50"]),
        ],
        40,
    );
    let truth = [
        ("first_name", "it__nome__c"),
        ("last_name", "it__cognome__c"),
        ("company", "ragione_sociale__c"),
        ("mobile_phone", "cellulare__c"),
        ("street", "indirizzo__c"),
        ("postal_code", "cap__c"),
        ("city", "citta__c"),
        ("annual_revenue", "fatturato__c"),
        ("employees", "dipendenti__c"),
        ("birth_date", "data_di_nascita__c"),
        ("consent", "consenso_privacy__c"),
        ("score", "punteggio__c"),
    ];
    check(&italian, "IT", "Europe/Rome", &truth);
    let dutch = made_up(
        &[
            ("sfid", TEXT, &["00Q1a000000001AAQ1"]),
            ("voornaam__c", TEXT, &["Anna", "Kees"]),
            ("achternaam__c", TEXT, &["de Vries", "Bakker"]),
            ("bedrijfsnaam__c", TEXT, &["Bakker BV"]),
            ("emailadres__c", TEXT, &["anna@example.nl"]),
            ("telefoonnummer__c", TEXT, &["020 123 4567"]),
            ("woonplaats__c", TEXT, &["Utrecht"]),
            ("postcode__c", TEXT, &["1012 AB"]),
            ("geboortedatum__c", TEXT, &["31-12-1980"]),
            ("jaaromzet__c", NUMBER, &["5000"]),
            ("toestemming__c", TEXT, &["Ja", "Nee"]),
        ],
        40,
    );
    let truth = [
        ("first_name", "voornaam__c"),
        ("last_name", "achternaam__c"),
        ("company", "bedrijfsnaam__c"),
        ("email", "emailadres__c"),
        ("phone", "telefoonnummer__c"),
        ("city", "woonplaats__c"),
        ("postal_code", "postcode__c"),
        ("birth_date", "geboortedatum__c"),
        ("annual_revenue", "jaaromzet__c"),
        ("consent", "toestemming__c"),
    ];
    check(&dutch, "NL", "Europe/Amsterdam", &truth);
}

#[test]
fn words_that_mean_one_thing_here_and_another_there() {
    let french = made_up(
        &[
            ("sfid", TEXT, &["00Q1a000000001AAQ1"]),
            ("prenom__c", TEXT, &["Anne", "Luc"]),
            ("nom__c", TEXT, &["Petit", "Le Gall"]),
            ("etat__c", TEXT, &["Nouveau", "Perdu", "En cours"]),
        ],
        40,
    );
    let truth = [("first_name", "prenom__c"), ("last_name", "nom__c"), ("status", "etat__c")];
    check(&french, "FR", "Europe/Paris", &truth);
    let mexican = made_up(
        &[
            ("sfid", TEXT, &["00Q1a000000001AAQ1"]),
            ("estado__c", TEXT, &["Jalisco", "Oaxaca"]),
            ("estatus__c", TEXT, &["Nuevo", "Perdido"]),
        ],
        40,
    );
    check(&mexican, "MX", "UTC", &[("state", "estado__c"), ("status", "estatus__c")]);
}

fn check(
    sample: &Sample,
    region: &str,
    zone: &str,
    truth: &[(&'static str, &'static str)],
) -> Vec<Suggestion> {
    let org = org("new", region, zone);
    let found = suggest(&lead(), sample, &org, &Knowledge::default());
    let truth: Vec<_> =
        truth.iter().map(|(field, columns)| (*field, columns.split(' ').collect())).collect();
    let wrong = wrong(&found, &truth);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let json = mapping(&found, SURE);
    compile_json(&json, &lead(), &sample.layout, &org).unwrap_or_else(|e| panic!("{e:?}\n{json}"));
    found
}

#[test]
fn another_org_teaches_what_no_dictionary_knows() {
    let sample = made_up(
        &[
            ("sfid", TEXT, &["00Q1a000000001AAQ1"]),
            ("fm__kennwort_xy__c", TEXT, &["K1", "K2"]),
            ("status", TEXT, &["Frisch dabei", "Qualified"]),
        ],
        20,
    );
    let org = org("new", "DE", "UTC");
    let before = suggest(&lead(), &sample, &org, &Knowledge::default());
    assert!(before.iter().all(|s| s.field != "respondent_id" || s.confidence < SURE));
    let mut knowledge = Knowledge::default();
    knowledge.learn(&json!({"fields": {"respondent_id": "kennwort_xy__c",
        "status": {"column": "status", "rules": [{"map": {"frisch dabei": "new"}}]}}}));
    let after = suggest(&lead(), &sample, &org, &knowledge);
    let fields = &mapping(&after, SURE)["fields"];
    assert_eq!(fields["respondent_id"], "fm__kennwort_xy__c");
    assert_eq!(fields["status"]["rules"][1]["map"]["Frisch dabei"], "new");
}

#[test]
fn an_entity_of_ones_own_and_an_empty_table() {
    let fields = json!({"fields": [
        {"name": "seats", "type": "integer"}, {"name": "contract_start", "type": "date"}]});
    let entity = Entity::from_json("subscription", &fields).unwrap();
    let sample = made_up(
        &[("sfid", TEXT, &[]), ("seats__c", NUMBER, &[]), ("contract_start__c", TEXT, &[])],
        0,
    );
    let found = suggest(&entity, &sample, &org("new", "US", "UTC"), &Knowledge::default());
    assert_eq!(
        mapping(&found, SURE),
        json!({"fields": {"seats": "seats__c", "contract_start": "contract_start__c"}})
    );
}
