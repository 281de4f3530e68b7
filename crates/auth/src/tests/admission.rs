//! Who is let in of those whom ProConnect vouches for, and as whom.

use std::sync::atomic::Ordering;

use accounts::{NewUser, User, UserKind};
use http::StatusCode;
use serde_json::{Value, json};

use super::stage::{SIRET, Stage, USER, param};

const SECOND: &str = "@marie.durand-ville.fr2:metz.example";

fn user(stage: &Stage, id: &str) -> User {
    stage.accounts.user(id.try_into().unwrap()).unwrap().unwrap_or_else(|| panic!("no {id}"))
}

/// Hazard A16.
#[tokio::test]
async fn an_address_is_nobody_s_identity() {
    let stage = Stage::new();
    stage.browser().sign_in().await.is_page(200, USER);
    let before = user(&stage, USER);
    stage.provider.say("sub", json!("another-sub"));
    for email in ["Marie.Durand@ville.fr", "marie.durand@VILLE.FR"] {
        stage.provider.say("email", json!(email));
        let page = stage.browser().sign_in().await;
        page.is_page(200, SECOND);
        assert!(!page.body.contains(USER));
    }
    assert_eq!(user(&stage, USER), before, "nothing of the first account has changed");
    assert_ne!(user(&stage, SECOND).identity, before.identity);
    // The other way round: another address, the same person.
    stage.provider.say("email", json!("m.durand@autre.fr"));
    stage.browser().sign_in().await.is_page(200, SECOND);
    assert_eq!(user(&stage, SECOND).email.as_deref(), Some("m.durand@autre.fr"));
}

#[tokio::test]
async fn an_account_made_beforehand_is_linked_once() {
    let stage = Stage::new();
    let new = NewUser {
        localpart: "marie".to_owned(),
        display_name: None,
        kind: UserKind::Person,
        identity: None,
        email: Some("marie.durand@ville.fr".to_owned()),
    };
    stage.accounts.create_user(new).await.unwrap();
    stage.browser().sign_in().await.is_page(200, "@marie:metz.example");
    let linked = user(&stage, "@marie:metz.example");
    stage.provider.say("sub", json!("another-sub"));
    stage.browser().sign_in().await.is_page(200, USER);
    assert_eq!(user(&stage, "@marie:metz.example"), linked);
}

async fn is_refused(stage: &Stage, words: &str) {
    let before = stage.rows();
    let mut browser = stage.browser();
    let page = browser.sign_in().await;
    page.is_refusal(403, words);
    assert!(page.body.contains("dsi@ville.fr"), "nobody is named to ask: {}", page.body);
    assert!(stage.rows() == before && !browser.cookies.contains_key("__Host-beffroi_session"), "{words}");
}

/// Each rule twice: for a stranger, of whom nothing is kept, and for somebody who was in before.
#[tokio::test]
async fn the_tenant_s_rules_are_asked_at_every_sign_in() {
    let none = "Votre établissement n’a pas accès";
    let cases: [(&str, Value, &str); 11] = [
        ("siret", json!("21570463600012"), none),
        ("siret", json!("2138015120001"), none),
        ("siret", json!("213 801 512 00016"), none),
        ("siret", json!(""), none),
        ("siret", Value::Null, none),
        ("roles", json!([]), "n’a pas pu être vérifiée"),
        ("roles", Value::Null, UNVERIFIABLE),
        ("roles", json!(["dirigeant"]), "réservé aux agents publics"),
        ("roles", json!(["AGENT_PUBLIC"]), "réservé aux agents publics"),
        ("email", json!("marie@gmail.com"), "Adresse électronique non autorisée"),
        ("email", json!("marie@ville.fr.evil.example"), "Adresse électronique non autorisée"),
    ];
    let known = rules();
    known.browser().sign_in().await.is_page(200, USER);
    for (claim, value, words) in cases {
        for stage in [&rules(), &known] {
            stage.provider.say(claim, value.clone());
            if words == UNVERIFIABLE {
                let before = stage.rows();
                stage.browser().sign_in().await.is_refusal(502, words);
                assert!(stage.rows() == before);
            } else {
                is_refused(stage, words).await;
            }
            for (claim, value) in
                [("siret", json!(SIRET)), ("roles", json!(["agent_public"])), ("email", json!("marie.durand@ville.fr"))]
            {
                stage.provider.say(claim, value);
            }
            stage.browser().sign_in().await.is_page(200, USER);
        }
    }
}

/// A list that is no list is nothing that ProConnect would say.
const UNVERIFIABLE: &str = "Réponse de ProConnect non vérifiable";

fn rules() -> Stage {
    Stage::with(|settings| settings.proconnect.rules.email_domains = vec!["ville.fr".to_owned()])
}

/// Hazard A17; the table of sixty addresses is in `policy`.
#[tokio::test]
async fn an_address_that_can_be_read_in_two_ways_opens_no_account() {
    let stage = Stage::new();
    for address in [
        "me@gmail.com@ville.fr",
        "\"me@gmail.com\"@ville.fr",
        "me(@gmail.com)@ville.fr",
        "me%gmail.com@ville.fr",
        "me@ville.fr\n",
        "me@ville.fr.",
        "me@v\u{456}lle.fr",
        "me",
        "",
    ] {
        stage.provider.say("email", json!(address));
        is_refused(&stage, "Adresse électronique inutilisable").await;
    }
    assert!(stage.rows().is_empty());
}

#[tokio::test]
async fn two_factors_are_asked_for_and_their_absence_is_noticed() {
    let stage = Stage::with(|settings| settings.proconnect.rules.require_mfa = true);
    for acr in [None, Some(""), Some("eidas0"), Some("eidas1"), Some("EIDAS2"), Some("eidas1-mfa,eidas2"), Some("mfa")]
    {
        stage.provider.acr(acr);
        is_refused(&stage, "Double authentification nécessaire").await;
    }
    for visit in stage.provider.visits() {
        assert!(param(&visit, "claims").is_some_and(|claims| claims.contains("eidas1-mfa")), "{visit}");
    }
    assert!(stage.rows().is_empty());
    stage.provider.acr(Some("eidas1-mfa"));
    stage.browser().sign_in().await.is_page(200, USER);
    stage.provider.acr(Some("eidas1"));
    is_refused(&stage, "Double authentification nécessaire").await;
    // Who does not ask for it gets no `claims`, which some identity providers cannot satisfy.
    let without = Stage::new();
    without.browser().sign_in().await;
    assert!(without.provider.visits().iter().all(|visit| param(visit, "claims").is_none()));
}

#[tokio::test]
async fn somebody_without_a_name_is_not_let_in() {
    let stage = Stage::new();
    for (given, usual) in [("", ""), (" ", "\t")] {
        stage.provider.say("given_name", json!(given));
        stage.provider.say("usual_name", json!(usual));
        is_refused(&stage, "Identité incomplète").await;
    }
}

/// Hazard A26.
#[tokio::test]
async fn signing_in_changes_name_and_address_and_nothing_else() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    browser.sign_in().await;
    let id = USER.try_into().unwrap();
    stage.accounts.set_admin(id, true).await.unwrap();
    stage.provider.say("usual_name", json!("Martin"));
    stage.provider.say("email", json!("marie.martin@ville.fr"));
    stage.provider.say("roles", json!(["agent_public_etat"]));
    let before = user(&stage, USER);
    stage.advance(60);
    assert_eq!(stage.browser().sign_in().await.status, StatusCode::OK);
    let after = user(&stage, USER);
    assert!(after.admin && !after.locked && !after.suspended && !after.deactivated);
    assert_eq!((after.email.as_deref(), &after.identity), (Some("marie.martin@ville.fr"), &before.identity));
    assert_eq!(after.display_name.as_deref(), Some("Marie Martin [Commune d'Exemple]"));
    assert_eq!(stage.renames.0.load(Ordering::SeqCst), 1);
    stage.accounts.set_admin(id, false).await.unwrap();
    stage.browser().sign_in().await;
    assert!(!user(&stage, USER).admin, "nor does it make administrators");
    assert_eq!(stage.renames.0.load(Ordering::SeqCst), 1);
}
