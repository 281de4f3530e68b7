//! The sample agents that a login may choose from: made-up people of made-up towns, each there for a reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const TERRITORIAL: [&str; 2] = ["agent_public", "agent_public_territorial"];
/// With the agents that load tests add.
const AGENTS_MAX: usize = 100_000;

/// Where an agent works, as ProConnect tells it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// 14 digits.
    pub siret: String,
    /// `organization_label`.
    pub label: String,
    /// Computed by ProConnect from the SIRET; empty for the private sector, and also when its own look-up failed.
    pub roles: Vec<String>,
}

/// A person with an account at an identity provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    pub sub: String,
    /// All first names.
    pub given_name: String,
    pub usual_name: String,
    pub email: String,
    pub uid: String,
    /// `eidas0` … `eidas3`, as the identity provider vouches.
    pub acr: String,
    pub amr: Vec<String>,
    pub idp_id: String,
    #[serde(default)]
    pub phone_number: Option<String>,
    #[serde(default)]
    pub organizational_unit: Option<String>,
    #[serde(default)]
    pub belonging_population: Option<String>,
    /// At least one. A login is for one of them: the first, the one that `siret_hint` names, or each in its turn.
    pub organizations: Vec<Organization>,
}

/// A change of what an agent's identity provider says: a marriage, a move. What is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentChange {
    pub sub: Option<String>,
    pub given_name: Option<String>,
    pub usual_name: Option<String>,
    pub email: Option<String>,
    pub acr: Option<String>,
    pub amr: Option<Vec<String>>,
    pub phone_number: Option<String>,
    pub organizational_unit: Option<String>,
    pub belonging_population: Option<String>,
    pub organizations: Option<Vec<Organization>>,
}

/// The agents, by the short key that forms and `/control` use.
pub(super) struct Agents {
    by_key: BTreeMap<String, Agent>,
    logins: BTreeMap<String, usize>,
}

impl Agents {
    pub(super) fn sample() -> Self {
        Self {
            by_key: sample().into_iter().map(|(key, agent)| (key.to_owned(), agent)).collect(),
            logins: BTreeMap::new(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Agent)> {
        self.by_key.iter().map(|(key, agent)| (key.as_str(), agent))
    }

    pub(super) fn get(&self, key: &str) -> Option<&Agent> {
        self.by_key.get(key)
    }

    /// E-mail addresses are compared without case, as a `login_hint` is typed by people.
    pub(super) fn key_of_email(&self, email: &str) -> Option<&str> {
        self.iter().find(|(_, agent)| agent.email.eq_ignore_ascii_case(email)).map(|(key, _)| key)
    }

    /// `Some` with the agent as it is now, `None` if there is none of that key.
    pub(super) fn change(&mut self, key: &str, change: AgentChange) -> Option<&Agent> {
        let agent = self.by_key.get_mut(key)?;
        set(&mut agent.sub, change.sub);
        set(&mut agent.given_name, change.given_name);
        set(&mut agent.usual_name, change.usual_name);
        set(&mut agent.email, change.email);
        set(&mut agent.acr, change.acr);
        set(&mut agent.amr, change.amr);
        set(&mut agent.phone_number, change.phone_number.map(Some));
        set(&mut agent.organizational_unit, change.organizational_unit.map(Some));
        set(&mut agent.belonging_population, change.belonging_population.map(Some));
        set(&mut agent.organizations, change.organizations.filter(|organizations| !organizations.is_empty()));
        Some(agent)
    }

    /// `true` if the agent is new, `false` if it replaces one.
    pub(super) fn put(&mut self, key: &str, agent: Agent) -> Result<bool, &'static str> {
        if agent.organizations.is_empty() {
            return Err("an agent belongs to an organisation");
        }
        if self.by_key.len() >= AGENTS_MAX && !self.by_key.contains_key(key) {
            return Err("too many agents");
        }
        Ok(self.by_key.insert(key.to_owned(), agent).is_none())
    }

    /// The organisation that this login of an agent is for.
    pub(super) fn organization(&mut self, key: &str, siret_hint: Option<&str>, in_turn: bool) -> Option<&Organization> {
        let organizations = &self.by_key.get(key)?.organizations;
        if in_turn {
            let login = self.logins.entry(key.to_owned()).or_default();
            let turn = *login % organizations.len().max(1);
            *login += 1;
            return organizations.get(turn);
        }
        organizations.iter().find(|one| Some(one.siret.as_str()) == siret_hint).or_else(|| organizations.first())
    }
}

fn set<T>(field: &mut T, change: Option<T>) {
    if let Some(value) = change {
        *field = value;
    }
}

fn beffroi() -> Organization {
    organization("21990001600011", "Commune de Beffroi-sur-Mer", &TERRITORIAL)
}

fn sainte_cloche() -> Organization {
    organization("21990002400015", "Commune de Sainte-Cloche", &TERRITORIAL)
}

fn organization(siret: &str, label: &str, roles: &[&str]) -> Organization {
    Organization {
        siret: siret.to_owned(),
        label: label.to_owned(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
    }
}

const IDP_OF_TOWNS: &str = "6513270e-269e-4d37-b2a7-4de452e6b438";
const IDP_PROCONNECT_IDENTITE: &str = "d23f0824-128b-4f33-8c5c-7fd0a6a3a450";

struct Person {
    sub: &'static str,
    given_name: &'static str,
    usual_name: &'static str,
    email: &'static str,
    uid: &'static str,
}

impl Person {
    fn with(self, organizations: Vec<Organization>) -> Agent {
        Agent {
            sub: self.sub.to_owned(),
            given_name: self.given_name.to_owned(),
            usual_name: self.usual_name.to_owned(),
            email: self.email.to_owned(),
            uid: self.uid.to_owned(),
            acr: "eidas1-mfa".to_owned(),
            amr: ["pwd", "otp", "mfa"].map(str::to_owned).to_vec(),
            idp_id: IDP_OF_TOWNS.to_owned(),
            phone_number: None,
            organizational_unit: None,
            belonging_population: Some("agent".to_owned()),
            organizations,
        }
    }
}

fn sample() -> Vec<(&'static str, Agent)> {
    let mut agents = ordinary();
    agents.extend(particular());
    agents
}

/// Agents whom their town lets in.
fn ordinary() -> Vec<(&'static str, Agent)> {
    let marie = Person {
        sub: "9531985d-5d9d-49f8-9818-e811892f902b",
        given_name: "Marie Jeanne Louise",
        usual_name: "Durand",
        email: "marie.durand@beffroi-sur-mer.example",
        uid: "4711",
    };
    let helene = Person {
        sub: "36f675cc-81e7-4ef5-a8e2-5d940ed90475",
        given_name: "Hélène",
        usual_name: "Lefèvre-Kœnig",
        email: "Helene.Lefevre-Koenig@beffroi-sur-mer.example",
        uid: "4712",
    };
    let jean_francois = Person {
        sub: "6b0d549b-6f03-475a-9600-a35a099950d8",
        given_name: "Jean-François",
        usual_name: "d'Étretat",
        email: "jean-francois.detretat@beffroi-sur-mer.example",
        uid: "4713",
    };
    let karim = Person {
        sub: "8d116ece-1738-47d9-bd9c-172411e20b8f",
        given_name: "Karim",
        usual_name: "Aït-Ouali",
        email: "karim.ait-ouali@sainte-cloche.example",
        uid: "17",
    };
    let anne_sophie = Person {
        sub: "90c192cf-d3ac-44af-8f21-ddb66cad4a26",
        given_name: "Anne-Sophie",
        usual_name: "Le Goff",
        email: "anne-sophie.legoff@sainte-cloche.example",
        uid: "18",
    };
    let namesake = Person {
        sub: "a170b338-3926-4059-b28c-105d1fb17c23",
        given_name: "Marie",
        usual_name: "Durand",
        email: "marie.durand@sainte-cloche.example",
        uid: "19",
    };
    let helene = Agent { organizational_unit: Some("DSI / Réseau".to_owned()), ..helene.with(vec![beffroi()]) };
    let karim = Agent { phone_number: Some("+33 4 76 00 00 00".to_owned()), ..karim.with(vec![sainte_cloche()]) };
    vec![
        ("marie", marie.with(vec![beffroi()])),
        ("helene", helene),
        ("jean-francois", jean_francois.with(vec![beffroi()])),
        ("karim", karim),
        ("anne-sophie", anne_sophie.with(vec![sainte_cloche()])),
        ("homonyme", namesake.with(vec![sainte_cloche()])),
    ]
}

/// Cases that a relying party must tell apart.
fn particular() -> Vec<(&'static str, Agent)> {
    let elected = Person {
        sub: "0fd630f1-f29d-4da9-953f-48f1a09f76b5",
        given_name: "Gérard",
        usual_name: "Bâtonnier",
        email: "gerard.batonnier.elu@gmail.com",
        uid: "90210",
    };
    let private = Person {
        sub: "0cb1e29c-658c-4a14-95e6-0af593bd04cf",
        given_name: "Paul",
        usual_name: "Martin",
        email: "paul.martin@cloches-et-fils.example",
        uid: "90211",
    };
    let no_mfa = Person {
        sub: "8e81973e-0bec-47b0-b898-d190f9ebdacc",
        given_name: "Luc",
        usual_name: "Moreau",
        email: "luc.moreau@sainte-cloche.example",
        uid: "20",
    };
    let no_roles = Person {
        sub: "6b4cb242-4a23-4596-a217-beaddbc496cb",
        given_name: "Inès",
        usual_name: "Benoît",
        email: "ines.benoit@beffroi-sur-mer.example",
        uid: "4714",
    };
    let of_two_towns = Person {
        sub: "92276658-1e27-41c0-8a6a-63ec24ede6a4",
        given_name: "Camille",
        usual_name: "Rousseau",
        email: "camille.rousseau@secretaires-de-mairie.example",
        uid: "90212",
    };
    let elsewhere = Person {
        sub: "ae97ba94-d0ed-482f-8f6d-05584ef8aa38",
        given_name: "Odile",
        usual_name: "Garnier",
        email: "odile.garnier@val-muet.example",
        uid: "3",
    };
    let company = organization("99900001100018", "Cloches et Fils SAS", &[]);
    let unknown_to_the_api = Organization { roles: Vec::new(), ..beffroi() };
    let val_muet = organization("21990003200018", "Commune de Val-Muet", &TERRITORIAL);
    let at_proconnect_identite = |agent: Agent| Agent { idp_id: IDP_PROCONNECT_IDENTITE.to_owned(), ..agent };
    let elected = Agent { belonging_population: Some("élu".to_owned()), ..elected.with(vec![beffroi()]) };
    let no_mfa = Agent { acr: "eidas1".to_owned(), amr: vec!["pwd".to_owned()], ..no_mfa.with(vec![sainte_cloche()]) };
    vec![
        ("elu", at_proconnect_identite(elected)),
        ("prive", at_proconnect_identite(private.with(vec![company]))),
        ("sans-mfa", no_mfa),
        ("sans-roles", no_roles.with(vec![unknown_to_the_api])),
        ("deux-communes", at_proconnect_identite(of_two_towns.with(vec![beffroi(), sainte_cloche()]))),
        ("autre-commune", elsewhere.with(vec![val_muet])),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn luhn(digits: &str) -> bool {
        let sum: u32 = digits
            .chars()
            .rev()
            .map(|digit| digit.to_digit(10).unwrap())
            .enumerate()
            .map(|(place, digit)| if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
            .sum();
        sum.is_multiple_of(10)
    }

    #[test]
    fn sample_agents_could_exist_and_are_told_apart() {
        let agents = Agents::sample();
        let sirets = agents.iter().flat_map(|(_, agent)| &agent.organizations).map(|one| one.siret.as_str());
        for siret in sirets {
            assert!(siret.len() == 14 && luhn(siret) && luhn(&siret[..9]), "{siret}");
        }
        let subs: BTreeSet<&str> = agents.iter().map(|(_, agent)| agent.sub.as_str()).collect();
        let emails: BTreeSet<&str> = agents.iter().map(|(_, agent)| agent.email.as_str()).collect();
        assert_eq!((subs.len(), emails.len()), (agents.iter().count(), agents.iter().count()));
    }

    #[test]
    fn a_siret_follows_the_hint_or_the_turn() {
        let mut agents = Agents::sample();
        let mut login = |hint, in_turn| agents.organization("deux-communes", hint, in_turn).unwrap().siret.clone();
        let (first, second) = (beffroi().siret, sainte_cloche().siret);
        assert_eq!(login(None, false), first);
        assert_eq!(login(Some(&second), false), second);
        assert_eq!(login(Some("21990003200018"), false), first, "a hint is no access control");
        assert_eq!([login(None, true), login(None, true), login(None, true)], [first.clone(), second, first]);
    }
}
