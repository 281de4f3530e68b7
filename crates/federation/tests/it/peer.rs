//! A server on loopback that answers as it is told, over TLS, and remembers what it was asked.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use events::{OldKey, RequestToSign, Signer};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use kernel::{
    Timestamp,
    id::{OwnedServerName, ServerName},
};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub uri: String,
    pub host: String,
    pub authorization: String,
    pub body: String,
}

type Script = Box<dyn Fn(&Asked) -> Response<Bytes> + Send>;

pub struct Peer {
    pub name: OwnedServerName,
    pub port: u16,
    pub signer: Signer,
    shared: Arc<Shared>,
}

struct Shared {
    connections: AtomicUsize,
    asked: parking_lot::Mutex<Vec<Asked>>,
    script: parking_lot::Mutex<Script>,
}

impl Peer {
    /// A server of this name, with this certificate. `{port}` in the name stands for its port.
    pub async fn start(name: &str, tls: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let name = ServerName::parse(name.replace("{port}", &port.to_string())).unwrap();
        let shared = Arc::new(Shared {
            connections: AtomicUsize::new(0),
            asked: parking_lot::Mutex::default(),
            script: parking_lot::Mutex::new(Box::new(|_| answer(404, "{}"))),
        });
        let mut tls = (*tls).clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), Arc::clone(&shared)));
        Self { signer: signer(&name, "a", 1), name, port, shared }
    }

    /// Answers like this from now on.
    pub fn script(&self, script: impl Fn(&Asked) -> Response<Bytes> + Send + 'static) {
        *self.shared.script.lock() = Box::new(script);
    }

    /// Answers requests for its keys with this document, all others with this text.
    pub fn serve_keys(&self, document: String, others: &str) {
        let others = others.to_owned();
        self.script(move |asked| match asked.uri.as_str() {
            "/_matrix/key/v2/server" => answer(200, &document),
            _ => answer(200, &others),
        });
    }

    /// Its document of keys, valid until then.
    pub fn document(&self, valid_until: Timestamp) -> String {
        self.document_with(valid_until, &[])
    }

    pub fn document_with(&self, valid_until: Timestamp, old: &[OldKey]) -> String {
        self.signer.key_document(valid_until, &[], old).unwrap()
    }

    /// The header that signs a request to this server.
    pub fn sign(&self, method: &str, uri: &str, to: &ServerName, content: Option<&str>) -> String {
        self.signer.sign_request(&RequestToSign { method, uri, destination: to, content }).unwrap()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// What it was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.asked.lock())
    }

    pub fn asked_paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.uri).collect()
    }
}

/// A signing key made of one number.
pub fn signer(name: &ServerName, version: &str, number: u8) -> Signer {
    let mut secret = [9; 32];
    secret[0] = number;
    Signer::from_secret(name.to_owned(), version, &secret).unwrap()
}

pub fn answer(status: u16, body: &str) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap()
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(socket).await else { return };
            let service = service_fn(|request| reply(Arc::clone(&shared), request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ended = connection.await;
        });
    }
}

async fn reply(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let header = |name| parts.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked = Asked {
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        host: header(header::HOST),
        authorization: header(header::AUTHORIZATION),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let response = (shared.script.lock())(&asked);
    shared.asked.lock().push(asked);
    Ok(response.map(Full::new))
}
