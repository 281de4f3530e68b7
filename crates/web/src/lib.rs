//! The HTTP kit of the edges: typed requests in, Matrix answers out. Nothing below the edges knows HTTP; only this crate and
//! the edges do.
//!
//! An edge has one handle per tenant (its [`Town`]), plain `async fn`s for handlers, and one table:
//!
//! ```ignore
//! pub struct Town { server_name: OwnedServerName, accounts: Accounts, rooms: Rooms, shutdown: web::Shutdown }
//!
//! impl web::Town for Town {
//!     fn server_name(&self) -> &ServerName { &self.server_name }
//!     async fn authenticate(&self, token: &str) -> web::Result<web::Caller> {
//!         let session = self.accounts.session_of_token(token)?.ok_or_else(|| web::Error::unknown_token(false))?;
//!         Ok(web::Caller::new(web::Identity { user: …, device: …, session: …, is_admin: …, is_suspended: … }))
//!     }
//! }
//!
//! pub fn routes() -> web::Routes<Town> {
//!     let mut routes = web::Routes::new();
//!     routes.public(versions);                                   // async fn(Arc<Town>, R) -> web::Result<R's response>
//!     routes.user(whoami);                                       // async fn(Arc<Town>, web::Caller, R) -> …
//!     routes.user(set_typing);
//!     routes.active(send).limited(web::Rate::Message);           // refuses the suspended
//!     routes.optional(public_rooms).limited(web::Rate::Search);  // async fn(Arc<Town>, Option<web::Caller>, R) -> …
//!     routes.admin(lock_user);
//!     routes.server(make_join);                                  // async fn(Arc<Town>, web::Homeserver, R) -> …
//!     routes.active(set_state).limited(web::Rate::Message)       // an empty state key has no segment of its own
//!         .also("/_matrix/client/v3/rooms/{room_id}/state/{event_type}")
//!         .also("/_matrix/client/v3/rooms/{room_id}/state/{event_type}/");
//!     routes.json(Method::POST, "/oauth2/token", web::Access::Public, token).limited(web::Rate::Login);
//!     routes.page(Method::GET, "/account/{section}", account);   // async fn(Arc<Town>, web::Visit) -> web::Result<web::Response>
//!     routes.stream(Method::POST, "/_matrix/media/v3/upload", web::Access::Active, upload).body_max(50 << 20);
//!     routes
//! }
//!
//! /// A handler takes `from: web::Origin` as its last argument if it wants the client's address or user agent.
//! async fn send(town: Arc<Town>, caller: web::Caller, ask: send_message_event::v3::Request, from: web::Origin)
//!     -> web::Result<send_message_event::v3::Response>
//! {
//!     let event_id = town.rooms.send(&caller.user, …).await?;   // any kernel::Fault becomes a Matrix error by `?`
//!     Ok(send_message_event::v3::Response::new(event_id))
//! }
//! ```
//!
//! Method and paths come from the ruma type. Each `/_matrix/client/v3/…` path also answers under `r0` and `unstable`, each
//! `/_matrix/media/v3/…` path under `r0` and `v1`, unless a route names that path itself. A handler may return ruma's response,
//! [`Json`] that is text already, or [`Raw`] for a stream or other headers. Handlers of methods other than `GET` run to their
//! end even if the client leaves, unless the route says [`Route::while_client_waits`].
//!
//! The binary joins the edges and serves them:
//!
//! ```ignore
//! struct App { client: Arc<client::Town>, auth: Arc<auth::Town> }
//!
//! let routes = client::routes().lift(|app: &App| &app.client).merge(auth::routes().lift(|app: &App| &app.auth));
//! let hosts = Arc::new(web::Hosts::new());
//! hosts.insert("matrix.metz.example", Arc::clone(&metz));        // any time, also while requests are served
//! let limiter = Arc::new(web::Limiter::new(web::Limits::default(), clock));
//! let site = Arc::new(web::Site::new(hosts, routes, limiter, web::Proxies::parse(["127.0.0.1"])?)?);
//! web::Server::new(site, web::Capacity::default(), shutdown.clone()).run(listener, None).await; // until `shutdown.begin()`
//! ```
//!
//! A test asks the site itself: `site.answer(http::Request, &web::Peer::plain(address)).await`. The table for tests that go
//! through all routes is [`Routes::list`].

mod arrival;
mod ask;
mod body;
mod error;
mod forwarded;
mod handler;
mod hosts;
mod limit;
mod origin;
pub mod outbound;
mod record;
mod reply;
mod route;
pub mod serve;
mod shutdown;
mod site;
mod strict;
mod table;
pub mod token;
mod town;
mod visit;

pub use arrival::Arrival;
pub use ask::Params;
pub use body::{Body, Response, Upload};
pub use error::{Error, Result};
pub use forwarded::Proxies;
pub use handler::Handler;
pub use hosts::Hosts;
pub use limit::{Bucket, Limiter, Limits, Rate, Rule, Subject};
pub use origin::{Origin, Peer};
pub use outbound::{Outbound, OutboundError, OutboundPolicy};
pub use reply::{Json, Raw, Reply};
pub use route::{Access, Route, RouteInfo, Routes};
pub use serve::{Capacity, Server, TlsSource};
pub use shutdown::Shutdown;
pub use site::{Site, URI_BYTES_MAX};
pub use strict::check_object as check_json_object;
pub use table::RouteError;
pub use town::{Caller, Homeserver, Identity, Session, SessionKind, Town};
pub use visit::Visit;
