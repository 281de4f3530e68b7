//! Who may sign in to a tenant, from what ProConnect says at this very login. ProConnect itself filters next to nothing,
//! and may say something else of the same person the next time.

use serde::{Deserialize, Serialize};

use crate::Email;

/// The levels of assurance that mean more than a password (ProConnect, "norme eIDAS").
const MFA_LEVELS: [&str; 4] = ["eidas0-mfa", "eidas1-mfa", "eidas2", "eidas3"];

/// A tenant's rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// The establishments whose people may come in, 14 digits each; spaces do not count. Nobody may, if there are none.
    pub sirets: Vec<String>,
    /// Of which the person must have one; a final `*` stands for any ending. Anybody has, if there are none.
    pub roles: Vec<String>,
    /// The domains that the e-mail address must be of, exactly; any, if there are none.
    pub email_domains: Vec<String>,
    pub require_mfa: bool,
}

impl Default for Rules {
    /// Public agents, of establishments still to be named.
    fn default() -> Self {
        Self { sirets: Vec::new(), roles: vec!["agent_public*".into()], email_domains: Vec::new(), require_mfa: false }
    }
}

/// What ProConnect says of the person: `acr` from the id token, the rest from userinfo.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    pub siret: Option<&'a str>,
    pub roles: &'a [String],
    pub email: &'a str,
    pub acr: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Admitted,
    Refused(Reason),
}

/// Why somebody is refused: the first reason that holds, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Of another establishment, or of none.
    UnknownSiret,
    /// ProConnect gave no role: the person has none, or the State's directory did not answer ProConnect.
    EmptyRoles,
    NotAPublicAgent,
    DomainNotAllowed,
    MfaMissing,
}

impl Reason {
    /// Whether the same person may be admitted if they only try again later.
    pub fn is_retryable(self) -> bool {
        self == Self::EmptyRoles
    }
}

/// To be asked at every login: a person may have changed employers since the last.
pub fn admit(rules: &Rules, claims: &Claims<'_>) -> Verdict {
    match refusal(rules, claims) {
        Some(reason) => Verdict::Refused(reason),
        None => Verdict::Admitted,
    }
}

fn refusal(rules: &Rules, claims: &Claims<'_>) -> Option<Reason> {
    let siret = claims.siret.filter(|siret| siret.len() == 14 && siret.bytes().all(|byte| byte.is_ascii_digit()));
    if !siret.is_some_and(|siret| rules.sirets.iter().any(|known| is_siret(known, siret))) {
        return Some(Reason::UnknownSiret);
    }
    if !rules.roles.is_empty() {
        if claims.roles.is_empty() {
            return Some(Reason::EmptyRoles);
        }
        if !rules.roles.iter().any(|wanted| claims.roles.iter().any(|role| is_role(wanted, role))) {
            return Some(Reason::NotAPublicAgent);
        }
    }
    if !rules.email_domains.is_empty() {
        let email = Email::parse(claims.email).ok();
        let of = |email: &Email| rules.email_domains.iter().any(|domain| domain.eq_ignore_ascii_case(email.domain()));
        if !email.as_ref().is_some_and(of) {
            return Some(Reason::DomainNotAllowed);
        }
    }
    if rules.require_mfa && !claims.acr.is_some_and(|acr| MFA_LEVELS.contains(&acr)) {
        return Some(Reason::MfaMissing);
    }
    None
}

/// `known` as a person wrote it, maybe "213 801 512 00016".
fn is_siret(known: &str, siret: &str) -> bool {
    known.chars().filter(|c| !c.is_whitespace()).eq(siret.chars())
}

fn is_role(wanted: &str, role: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(beginning) => role.starts_with(beginning),
        None => role == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIRET: &str = "21380151200016";

    fn rules() -> Rules {
        Rules { sirets: vec!["213 801 512 00016".into(), "20004012300011".into()], ..Rules::default() }
    }

    fn verdict(rules: &Rules, siret: Option<&str>, roles: &[&str], email: &str, acr: Option<&str>) -> Verdict {
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        admit(rules, &Claims { siret, roles: &roles, email, acr })
    }

    #[test]
    fn only_the_tenants_establishments_come_in() {
        for (siret, expected) in [
            (Some(SIRET), Verdict::Admitted),
            (Some("20004012300011"), Verdict::Admitted),
            (Some("21380151200024"), Verdict::Refused(Reason::UnknownSiret)),
            (Some("213801512"), Verdict::Refused(Reason::UnknownSiret)),
            (Some("213 801 512 00016"), Verdict::Refused(Reason::UnknownSiret)),
            (Some(""), Verdict::Refused(Reason::UnknownSiret)),
            (None, Verdict::Refused(Reason::UnknownSiret)),
        ] {
            assert_eq!(verdict(&rules(), siret, &["agent_public"], "a@b.fr", None), expected, "{siret:?}");
        }
        let nobody = Rules::default();
        assert_eq!(
            verdict(&nobody, Some(SIRET), &["agent_public"], "a@b.fr", None),
            Verdict::Refused(Reason::UnknownSiret)
        );
        let empty = Rules { sirets: vec![String::new(), "  ".into()], ..Rules::default() };
        assert_eq!(
            verdict(&empty, Some(""), &["agent_public"], "a@b.fr", None),
            Verdict::Refused(Reason::UnknownSiret)
        );
    }

    #[test]
    fn only_public_agents_come_in_unless_the_tenant_says_otherwise() {
        for (roles, expected) in [
            (&["agent_public"][..], Verdict::Admitted),
            (&["agent_public_territorial"], Verdict::Admitted),
            (&["dirigeant", "agent_public_etat"], Verdict::Admitted),
            (&["dirigeant"], Verdict::Refused(Reason::NotAPublicAgent)),
            (&["public_agent", "AGENT_PUBLIC", ""], Verdict::Refused(Reason::NotAPublicAgent)),
            (&[], Verdict::Refused(Reason::EmptyRoles)),
        ] {
            assert_eq!(verdict(&rules(), Some(SIRET), roles, "a@b.fr", None), expected, "{roles:?}");
        }
        let narrow = Rules { roles: vec!["agent_public_territorial".into()], ..rules() };
        assert_eq!(
            verdict(&narrow, Some(SIRET), &["agent_public"], "a@b.fr", None),
            Verdict::Refused(Reason::NotAPublicAgent)
        );
        let open = Rules { roles: vec![], ..rules() };
        assert_eq!(verdict(&open, Some(SIRET), &[], "a@b.fr", None), Verdict::Admitted);
        assert!(Reason::EmptyRoles.is_retryable() && !Reason::NotAPublicAgent.is_retryable());
    }

    #[test]
    fn only_the_tenants_domains_come_in_if_it_names_any() {
        let rules = Rules { email_domains: vec!["ville.fr".into(), "CCAS.ville.fr".into()], ..rules() };
        for (email, expected) in [
            ("marie@ville.fr", Verdict::Admitted),
            ("Marie@VILLE.fr", Verdict::Admitted),
            ("marie@ccas.ville.fr", Verdict::Admitted),
            ("marie@autre.ville.fr", Verdict::Refused(Reason::DomainNotAllowed)),
            ("marie@ville.fr.evil.example", Verdict::Refused(Reason::DomainNotAllowed)),
            ("marie@evil.example@ville.fr", Verdict::Refused(Reason::DomainNotAllowed)),
            ("marie@devil-ville.fr", Verdict::Refused(Reason::DomainNotAllowed)),
            ("", Verdict::Refused(Reason::DomainNotAllowed)),
        ] {
            assert_eq!(verdict(&rules, Some(SIRET), &["agent_public"], email, None), expected, "{email}");
        }
    }

    #[test]
    fn a_second_factor_is_asked_for_if_the_tenant_wants_it() {
        let rules = Rules { require_mfa: true, ..rules() };
        let refused = Verdict::Refused(Reason::MfaMissing);
        for (acr, expected) in [
            (Some("eidas0-mfa"), Verdict::Admitted),
            (Some("eidas1-mfa"), Verdict::Admitted),
            (Some("eidas2"), Verdict::Admitted),
            (Some("eidas3"), Verdict::Admitted),
            (Some("eidas1"), refused),
            (Some("eidas0"), refused),
            (Some("eidas10-mfa"), refused),
            (Some(""), refused),
            (None, refused),
        ] {
            assert_eq!(verdict(&rules, Some(SIRET), &["agent_public"], "a@b.fr", acr), expected, "{acr:?}");
        }
    }
}
