//! What a relying party learns of an agent: scopes and the claims that they open.

use serde_json::{Map, Value, json};

use super::agents::{Agent, Organization};

/// Scopes that ProConnect knows, each with its claims; any other scope is ignored.
pub(super) const SCOPES: [(&str, &[&str]); 18] = [
    ("openid", &["sub"]),
    ("given_name", &["given_name"]),
    ("usual_name", &["usual_name"]),
    ("email", &["email"]),
    ("uid", &["uid"]),
    ("siret", &["siret"]),
    ("siren", &["siren"]),
    ("phone", &["phone_number"]),
    ("organizational_unit", &["organizational_unit"]),
    ("belonging_population", &["belonging_population"]),
    ("chorusdt", &["chorusdt:matricule", "chorusdt:societe"]),
    ("idp_id", &["idp_id"]),
    ("idp_acr", &["idp_acr"]),
    ("roles", &["roles"]),
    ("organization_label", &["organization_label"]),
    ("groups", &["groups"]),
    ("custom", &["custom"]),
    ("amr", &["amr"]),
];

/// An agent as one login saw it: later changes show at the next login only.
pub(super) struct Identity {
    pub(super) sub: String,
    pub(super) acr: String,
    pub(super) amr: Vec<String>,
    claims: Map<String, Value>,
}

impl Identity {
    pub(super) fn new(agent: &Agent, organization: &Organization) -> Self {
        let siren: String = organization.siret.chars().take(9).collect();
        let all = json!({
            "sub": agent.sub,
            "given_name": agent.given_name,
            "usual_name": agent.usual_name,
            "email": agent.email,
            "uid": agent.uid,
            "siret": organization.siret,
            "siren": siren,
            "phone_number": agent.phone_number,
            "organizational_unit": agent.organizational_unit,
            "belonging_population": agent.belonging_population,
            "idp_id": agent.idp_id,
            "idp_acr": agent.acr,
            "roles": organization.roles,
            "organization_label": organization.label,
            "custom": {},
            "amr": agent.amr,
        });
        let claims = match all {
            Value::Object(claims) => claims.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        };
        Self { sub: agent.sub.clone(), acr: agent.acr.clone(), amr: agent.amr.clone(), claims }
    }

    pub(super) fn roles(&self) -> Vec<&str> {
        let roles = self.claims.get("roles").and_then(Value::as_array);
        roles.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The claims that these scopes open, and those asked for by name; always `sub`.
    pub(super) fn userinfo(&self, scopes: &[String], by_name: &[String]) -> Map<String, Value> {
        let opened = |claim: &str| {
            claim == "sub"
                || by_name.iter().any(|name| name == claim)
                || SCOPES.iter().any(|(scope, claims)| scopes.iter().any(|one| one == scope) && claims.contains(&claim))
        };
        self.claims
            .iter()
            .filter(|(claim, _)| opened(claim))
            .map(|(claim, value)| (claim.clone(), value.clone()))
            .collect()
    }
}

/// A known scope.
pub(super) fn is_scope(name: &str) -> bool {
    SCOPES.iter().any(|(scope, _)| *scope == name)
}
