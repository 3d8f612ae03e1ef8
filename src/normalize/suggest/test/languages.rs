//! Orgs made up in German, Spanish, Italian, Dutch and French.

use super::*;

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

#[test]
fn opt_outs_percent_amounts_spreadsheets_and_moments_in_numbers() {
    let sample = made_up(
        &[
            ("sfid", TEXT, &["00Q1a000000001AAQ1"]),
            ("email", TEXT, &["a@example.com", "N/A"]),
            ("ins__opt_out__pc", TEXT, &["Y", "N"]),
            ("ins__lead_score__pc", TEXT, &["85%", "12 %"]),
            ("faturamento__c", TEXT, &["R$ 1.234,50", "R$ 1,5 milhão", "R$ 20 mil"]),
            ("ins__dob__pc", NUMBER, &["29586", "31000"]),
            ("callback_ts__c", NUMBER, &["1721178600000", "1721178700000"]),
            ("geburtsdatum__c", TEXT, &["31.12.45", "01.02.80"]),
        ],
        40,
    );
    let truth = [
        ("consent", "ins__opt_out__pc"),
        ("score", "ins__lead_score__pc"),
        ("annual_revenue", "faturamento__c"),
        ("birth_date", "ins__dob__pc"),
        ("callback_at", "callback_ts__c"),
    ];
    let found = check(&sample, "US", "UTC", &truth);
    let rules = |field: &str, column: &str| {
        let of = |s: &&Suggestion| s.field == field && s.columns == [column];
        found.iter().find(of).map(|s| s.mapping["rules"].clone()).unwrap_or_default()
    };
    assert_eq!(rules("consent", "ins__opt_out__pc"), json!(["boolean", "not"]));
    assert_eq!(rules("score", "ins__lead_score__pc")[0]["number"]["units"], json!({"%": 1}));
    assert_eq!(
        rules("annual_revenue", "faturamento__c")[0]["number"],
        json!({"decimal": ",", "group": ".", "units": {"r$": 1, "milhão": 1000000, "mil": 1000}})
    );
    assert_eq!(rules("birth_date", "ins__dob__pc"), json!([{"date": "excel"}]));
    assert_eq!(
        rules("birth_date", "geburtsdatum__c"),
        json!([{"date": "%d.%m.%y", "years_from": 1925}])
    );
    let unix = json!([{"timestamp": {"format": "unix_ms"}}]);
    assert_eq!(rules("callback_at", "callback_ts__c"), unix);
    let email = found.iter().find(|s| s.field == "email").unwrap();
    assert!(email.reason.contains(r#""blank": ["N/A"]"#), "{}", email.reason);
}
