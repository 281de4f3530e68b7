//! From a person whom ProConnect vouches for to an account: refused, found, linked or made. At every sign-in anew.

use accounts::{Identity, NewUser, User, UserKind};
use kernel::id::{OwnedUserId, UserId};
use policy::{Email, Verdict};

use crate::{Error, Town, problem::Problem, proconnect::callback::Identified};

/// `marie.durand-ville.fr`, `marie.durand-ville.fr2`, and so on up to this.
const LOCALPARTS_MAX: u32 = 50;

impl Town {
    /// The account of the person, up to date, or why there is none. A refusal stores nothing.
    pub(crate) async fn admit(&self, identified: &Identified) -> Result<OwnedUserId, Problem> {
        let person = &identified.person;
        let claims = policy::Claims {
            siret: person.siret.as_deref(),
            roles: &person.roles,
            email: &person.email,
            acr: identified.acr.as_deref(),
        };
        if let Verdict::Refused(reason) = policy::admit(&self.settings.proconnect.rules, &claims) {
            tracing::info!(target: "audit", ?reason, "sign-in refused");
            return Err(Problem::NotAdmitted(reason));
        }
        let email = Email::parse(&person.email).map_err(|_| Problem::OddEmail)?;
        let name = policy::display_name(&person.given_name, &person.usual_name, &person.organization_label);
        let has_name = !(person.given_name.trim().is_empty() && person.usual_name.trim().is_empty());
        if !has_name || name.is_empty() {
            return Err(Problem::Nameless);
        }
        let issuer = self.settings.proconnect.issuer().to_owned();
        let identity = Identity { issuer, subject: person.subject.clone() };
        match self.find(&identity, &email).await? {
            Some(user) => self.refresh_account(&user, &email, &name).await,
            None => self.create(identity, &email, &name).await,
        }
    }

    /// By identity; or, the first time, the account that an administrator made for this address. An address is never an
    /// identity: an account that has one is not found by it (hazard A16).
    async fn find(&self, identity: &Identity, email: &Email) -> Result<Option<User>, Problem> {
        if let Some(user) = self.accounts.by_identity(&identity.issuer, &identity.subject)? {
            self.check_status(&user)?;
            return Ok(Some(user));
        }
        let Some(user) = self.accounts.precreated_by_email(email.as_str())? else { return Ok(None) };
        self.check_status(&user)?;
        match self.accounts.link_identity(&user.id, identity.clone()).await {
            Ok(()) => {
                tracing::info!(target: "audit", user = %user.id, "account linked to its identity");
                Ok(Some(user))
            }
            // Somebody else was quicker: theirs is the account, and this person gets another.
            Err(accounts::Error::IdentityInUse(_)) => {
                Ok(self.accounts.by_identity(&identity.issuer, &identity.subject)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn check_status(&self, user: &User) -> Result<(), Problem> {
        let problem = match user {
            User { deactivated: true, .. } => Problem::Deactivated,
            User { locked: true, .. } => Problem::Locked,
            User { suspended: true, .. } => Problem::Suspended,
            _ => return Ok(()),
        };
        tracing::info!(target: "audit", user = %user.id, ?problem, "sign-in refused");
        self.close_sessions_of(&user.id);
        Err(problem)
    }

    /// Brings name, address and age of the sign-in up to date.
    async fn refresh_account(&self, user: &User, email: &Email, name: &str) -> Result<OwnedUserId, Problem> {
        self.accounts.renew_sign_in(&user.id).await?;
        if user.email.as_deref() != Some(email.as_str()) {
            self.accounts.set_email(&user.id, Some(email.as_str())).await?;
        }
        self.rename(&user.id, name).await?;
        tracing::info!(target: "audit", user = %user.id, "signed in");
        Ok(user.id.clone())
    }

    async fn rename(&self, user: &UserId, name: &str) -> Result<(), Error> {
        if self.accounts.rename(user, name).await? {
            tracing::info!(target: "audit", %user, "renamed by ProConnect");
            self.renamed.renamed(user, name).await;
        }
        Ok(())
    }

    async fn create(&self, identity: Identity, email: &Email, name: &str) -> Result<OwnedUserId, Problem> {
        let localpart = policy::localpart(email);
        for number in 1..=LOCALPARTS_MAX {
            let suffix = if number == 1 { String::new() } else { number.to_string() };
            let new = NewUser {
                localpart: format!("{localpart}{suffix}"),
                display_name: Some(name.to_owned()),
                kind: UserKind::Person,
                identity: Some(identity.clone()),
                email: Some(email.as_str().to_owned()),
            };
            match self.accounts.create_user(new).await {
                Ok(user) => {
                    tracing::info!(target: "audit", %user, "account created at the first sign-in");
                    return Ok(user);
                }
                Err(accounts::Error::UserInUse) => {}
                // The same person signs in twice at once.
                Err(accounts::Error::IdentityInUse(_)) => {
                    let user = self.accounts.by_identity(&identity.issuer, &identity.subject)?;
                    return user.map(|user| user.id).ok_or(Problem::NoFreeName);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::NoFreeName)
    }
}
