//! The older way out, which clients still take: the session of the token, or all of its owner's, and nobody else's.

use http::{Method, StatusCode};

use super::stage::{Stage, USER};

#[tokio::test]
async fn one_session_ends_or_all() {
    let stage = Stage::new();
    let devices = ["FIRSTDEVIC", "SECONDDEVI", "THIRDDEVIC"];
    let mut sessions = Vec::new();
    for device in devices {
        sessions.push(stage.signed_in(device).await);
    }
    let service = accounts::NewUser {
        localpart: "bot-meteo".to_owned(),
        display_name: None,
        kind: accounts::UserKind::Service,
        identity: None,
        email: None,
    };
    let session = accounts::NewSession {
        user: stage.accounts.create_user(service).await.unwrap(),
        device: None,
        display_name: None,
        kind: accounts::SessionKind::Service,
        access_lifetime: None,
        refresh: false,
    };
    let other = stage.accounts.start_session(session).await.unwrap();
    let logout = async |path: &str, token: &str| {
        stage.authorized(Method::POST, &format!("/_matrix/client/v3/{path}"), token).await.status
    };

    assert_eq!(logout("logout", &sessions[1].access).await, StatusCode::OK);
    assert_eq!(logout("logout", &sessions[1].access).await, StatusCode::UNAUTHORIZED);
    stage.refresh(&sessions[1].client, &sessions[1].refresh).await.is_oauth_error(400, "invalid_grant");
    assert_eq!(stage.devices(), ["FIRSTDEVIC", "THIRDDEVIC"]);

    assert_eq!(logout("logout/all", &sessions[0].access).await, StatusCode::OK);
    assert!(stage.accounts.devices(USER.try_into().unwrap()).unwrap().is_empty());
    for session in &sessions {
        assert!(!stage.accepts(&session.access).await);
    }
    assert!(stage.accounts.token_owner(&other.access).unwrap().is_some());
}
