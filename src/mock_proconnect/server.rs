//! The mock's listener, its routes, and the faults that come before any endpoint: down and slow.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    response::Response,
    routing::{get, post},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
    time::sleep,
};
use tower::ServiceExt;

use super::{
    answer, authorize, control, discovery, interaction, jwks, logout, provider::Provider, switches::Down, token,
    userinfo,
};

/// More are closed at once.
const CONNECTIONS_MAX: usize = 512;
/// Before accepting again, when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stopped` is sent or its sender dropped, then drops every connection.
pub(super) async fn serve(listener: TcpListener, provider: Arc<Provider>, mut stopped: oneshot::Receiver<()>) {
    let router = routes(Arc::clone(&provider));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn(connection(stream, router.clone(), Arc::clone(&provider)));
                }
                Ok(_) => {}
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

fn routes(provider: Arc<Provider>) -> Router {
    let oidc = Router::new()
        .route("/.well-known/openid-configuration", get(discovery::get))
        .route("/authorize", get(authorize::get))
        .route("/interaction/{id}", get(interaction::get).post(interaction::post))
        .route("/token", post(token::post))
        .route("/userinfo", get(userinfo::get))
        .route("/jwks", get(jwks::get))
        .route("/session/end", get(logout::get));
    Router::new()
        .nest(super::BASE, oidc)
        .route("/control", get(control::get).post(control::post))
        .route("/control/agents", get(control::get_agents))
        .route("/control/agents/{key}", post(control::post_agent).put(control::put_agent))
        .with_state(provider)
}

async fn connection(stream: TcpStream, router: Router, provider: Arc<Provider>) {
    let service = service_fn(move |request| answer(router.clone(), Arc::clone(&provider), request));
    // An error here is the peer gone, or `Down::Closed`.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// An error closes the connection without an answer.
async fn answer(router: Router, provider: Arc<Provider>, request: Request<Incoming>) -> Result<Response, io::Error> {
    if !request.uri().path().starts_with("/control") {
        let (down, delay) = {
            let switches = &provider.desk.lock().switches;
            (switches.down, switches.delay())
        };
        sleep(delay).await;
        match down {
            Down::No => {}
            Down::Closed => return Err(io::ErrorKind::ConnectionAborted.into()),
            Down::Unavailable => {
                let text = "Service Unavailable".to_owned();
                return Ok(answer::body(StatusCode::SERVICE_UNAVAILABLE, "text/plain", text));
            }
        }
    }
    let answered: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
    let Ok(response) = answered;
    Ok(response)
}
