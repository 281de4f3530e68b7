//! Why somebody cannot go on, in plain words and both languages, with whom to ask. Nothing is stored when one is shown.

use askama::Template;
use http::StatusCode;
use kernel::{Fault, Kind};
use policy::Reason;
use web::Response;

use crate::{
    Error, Lang, Town,
    pages::{self, Frame},
};

#[derive(Debug)]
pub(crate) enum Problem {
    /// Too late, a second time, from another browser, or never begun here.
    Expired,
    NotFound,
    /// A client's mistake that cannot be told to the client itself: its name or its address is wrong.
    UnknownClient,
    BadRedirect,
    BadRequest,
    ProviderDown,
    /// ProConnect sent the person back with an error; its code, if it is a plain one.
    ProviderRefused(Option<String>),
    /// ProConnect could not have the person prove themselves twice.
    NoSecondFactor,
    /// What came from ProConnect does not verify.
    Untrusted,
    NotAdmitted(Reason),
    OddEmail,
    /// ProConnect gave no name.
    Nameless,
    NoFreeName,
    Locked,
    Suspended,
    Deactivated,
    Internal(Error),
}

#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct Message<'a> {
    pub(crate) frame: Frame,
    pub(crate) title: &'a str,
    pub(crate) paragraphs: Vec<&'a str>,
    /// A code for whoever is asked.
    pub(crate) code: Option<&'a str>,
    pub(crate) ask_contact: bool,
    /// Where to go on, and its words.
    pub(crate) link: Option<(&'a str, &'a str)>,
}

/// Title and text, each French and English.
type Words = ([&'static str; 2], [&'static str; 2]);

impl Problem {
    pub(crate) fn page(&self, town: &Town, lang: Lang) -> Response {
        if let Self::Internal(error) = self {
            tracing::error!(%error, "a page failed");
        }
        let ([title_fr, title_en], [text_fr, text_en]) = self.words();
        let message = Message {
            frame: Frame::new(town, lang),
            title: lang.pick(title_fr, title_en),
            paragraphs: vec![lang.pick(text_fr, text_en)],
            code: match self {
                Self::ProviderRefused(code) => code.as_deref(),
                _ => None,
            },
            ask_contact: self.asks_contact(),
            link: None,
        };
        match pages::page(&message) {
            Ok(page) => pages::with_status(page, self.status()),
            Err(_) => pages::with_status(Response::new(web::Body::empty()), StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Expired | Self::UnknownClient | Self::BadRedirect | Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::ProviderDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::Untrusted => StatusCode::BAD_GATEWAY,
            Self::Internal(error) if error.kind() == Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) | Self::NoFreeName => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::FORBIDDEN,
        }
    }

    fn asks_contact(&self) -> bool {
        !matches!(self, Self::Expired | Self::NotFound)
    }

    fn words(&self) -> Words {
        match self {
            Self::Expired => (
                ["Cette page n’est plus valable", "This page is no longer valid"],
                [
                    "Elle a expiré, elle a déjà servi, ou elle a été ouverte dans un autre navigateur. Revenez à votre application et recommencez la connexion.",
                    "It has expired, was used before, or was opened in another browser. Go back to your application and sign in again.",
                ],
            ),
            Self::NotFound => (
                ["Cette page n’existe pas", "There is no such page"],
                [
                    "Vérifiez l’adresse ou revenez à votre application.",
                    "Check the address or go back to your application.",
                ],
            ),
            Self::UnknownClient => (
                ["Application inconnue", "Unknown application"],
                [
                    "L’application qui demande à se connecter n’est pas enregistrée ici. Fermez-la, ouvrez-la de nouveau et recommencez.",
                    "The application that asks to sign in is not registered here. Close it, open it again and retry.",
                ],
            ),
            Self::BadRedirect => (
                ["Adresse de retour refusée", "Return address refused"],
                [
                    "L’application demande à revenir à une adresse qui n’est pas la sienne. Par sécurité, la connexion s’arrête ici.",
                    "The application asks to return to an address that is not its own. For safety, the sign-in stops here.",
                ],
            ),
            Self::BadRequest => (
                ["Demande incorrecte", "Incorrect request"],
                [
                    "L’application a envoyé une demande que nous ne comprenons pas.",
                    "The application sent a request that we do not understand.",
                ],
            ),
            Self::Internal(error) if error.kind() == Kind::Unavailable => UNAVAILABLE,
            Self::Internal(_) => (
                ["Une erreur s’est produite", "Something went wrong"],
                [
                    "L’erreur est de notre côté et a été enregistrée. Réessayez dans quelques minutes.",
                    "The fault is ours and has been recorded. Try again in a few minutes.",
                ],
            ),
            other => other.words_of_refusal(),
        }
    }

    fn words_of_refusal(&self) -> Words {
        match self {
            Self::ProviderDown => (
                ["ProConnect ne répond pas", "ProConnect does not answer"],
                [
                    "Le service d’identification de l’État est indisponible en ce moment. Les personnes déjà connectées peuvent continuer à travailler. Réessayez dans quelques minutes.",
                    "The State’s sign-in service is not available at the moment. People who are signed in can go on working. Try again in a few minutes.",
                ],
            ),
            Self::ProviderRefused(_) => (
                ["ProConnect a refusé la connexion", "ProConnect refused the sign-in"],
                [
                    "La connexion a été annulée ou refusée par ProConnect. Vous pouvez recommencer depuis votre application.",
                    "The sign-in was cancelled or refused by ProConnect. You can start again from your application.",
                ],
            ),
            Self::NoSecondFactor | Self::NotAdmitted(Reason::MfaMissing) => (
                ["Double authentification nécessaire", "Two-factor authentication needed"],
                [
                    "Ce service demande une double authentification, que votre fournisseur d’identité n’a pas faite. Activez-la auprès de lui, puis recommencez.",
                    "This service asks for two-factor authentication, which your identity provider did not do. Turn it on there, then start again.",
                ],
            ),
            Self::Untrusted => (
                ["Réponse de ProConnect non vérifiable", "ProConnect’s answer could not be verified"],
                [
                    "Par sécurité, la connexion s’arrête ici. Recommencez depuis votre application ; si cela se reproduit, prévenez votre administrateur.",
                    "For safety, the sign-in stops here. Start again from your application; if it happens again, tell your administrator.",
                ],
            ),
            Self::OddEmail => (
                ["Adresse électronique inutilisable", "Unusable e-mail address"],
                [
                    "ProConnect nous a transmis une adresse électronique que nous ne pouvons pas accepter.",
                    "ProConnect gave us an e-mail address that we cannot accept.",
                ],
            ),
            Self::Nameless | Self::NoFreeName => (
                ["Identité incomplète", "Incomplete identity"],
                [
                    "ProConnect ne nous a pas transmis de quoi créer votre compte. Réessayez plus tard.",
                    "ProConnect did not give us what your account needs. Try again later.",
                ],
            ),
            Self::Locked => (
                ["Compte verrouillé", "Account locked"],
                [
                    "Votre compte a été verrouillé par un administrateur.",
                    "Your account was locked by an administrator.",
                ],
            ),
            Self::Suspended => (
                ["Compte suspendu", "Account suspended"],
                [
                    "Votre compte a été suspendu par un administrateur.",
                    "Your account was suspended by an administrator.",
                ],
            ),
            Self::Deactivated => (
                ["Compte désactivé", "Account deactivated"],
                [
                    "Votre compte a été désactivé et ne peut plus servir.",
                    "Your account was deactivated and cannot be used any more.",
                ],
            ),
            Self::NotAdmitted(reason) => words_of(*reason),
            _ => UNAVAILABLE,
        }
    }
}

const UNAVAILABLE: Words = (
    ["Service momentanément indisponible", "Service temporarily unavailable"],
    ["Réessayez dans quelques instants.", "Try again in a moment."],
);

fn words_of(reason: Reason) -> Words {
    match reason {
        Reason::UnknownSiret => (
            ["Votre établissement n’a pas accès à ce service", "Your establishment has no access to this service"],
            [
                "ProConnect vous rattache à un établissement (SIRET) qui n’est pas inscrit ici. Si vous travaillez pour plusieurs organisations, recommencez en choisissant l’autre. Aucun compte n’a été créé.",
                "ProConnect says that you work for an establishment (SIRET) that is not registered here. If you work for several organisations, start again and choose the other. No account was created.",
            ],
        ),
        Reason::EmptyRoles => (
            [
                "Votre qualité d’agent public n’a pas pu être vérifiée",
                "That you are a public agent could not be verified",
            ],
            [
                "ProConnect n’a pas pu vérifier votre organisation, peut-être parce qu’un annuaire de l’État ne répond pas. Réessayez dans quelques minutes. Aucun compte n’a été créé.",
                "ProConnect could not verify your organisation, maybe because a directory of the State does not answer. Try again in a few minutes. No account was created.",
            ],
        ),
        Reason::NotAPublicAgent => (
            ["Ce service est réservé aux agents publics", "This service is for public agents only"],
            [
                "ProConnect ne vous connaît pas comme agent public. Aucun compte n’a été créé.",
                "ProConnect does not know you as a public agent. No account was created.",
            ],
        ),
        Reason::DomainNotAllowed => (
            ["Adresse électronique non autorisée", "E-mail address not allowed"],
            [
                "Le domaine de votre adresse électronique n’est pas admis ici. Aucun compte n’a été créé.",
                "The domain of your e-mail address is not admitted here. No account was created.",
            ],
        ),
        Reason::MfaMissing => UNAVAILABLE,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Accounts(accounts::Error::Locked) => Self::Locked,
            Error::Accounts(accounts::Error::Deactivated | accounts::Error::NoSuchUser) => Self::Deactivated,
            Error::Accounts(accounts::Error::NotFound(_) | accounts::Error::NoSuchDevice) => Self::NotFound,
            Error::Accounts(accounts::Error::Replayed) => Self::Expired,
            other => Self::Internal(other),
        }
    }
}

impl From<accounts::Error> for Problem {
    fn from(error: accounts::Error) -> Self {
        Error::from(error).into()
    }
}

/// A query or form that cannot be read.
impl From<web::Error> for Problem {
    fn from(_: web::Error) -> Self {
        Self::BadRequest
    }
}
