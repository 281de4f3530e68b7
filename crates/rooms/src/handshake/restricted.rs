//! Rooms that let in the members of others: who may come in so, and who vouches for them (spec, "Restricted rooms").

use events::{
    Power,
    content::{JoinRule, JoinRulesContent},
};
use kernel::id::{OwnedServerName, OwnedUserId, ServerName, UserId};

use crate::{Error, Membership, Result, Rooms, accept::Unit};

impl Rooms {
    /// For a restricted room that the user may join by being in another: a member of this server with the power to invite, in
    /// whose name this server vouches for it. `None` where nobody has to.
    ///
    /// # Errors
    /// [`Error::Denied`] for a user who is in none of the rooms; [`Error::CannotAuthorise`] if that cannot be told here,
    /// [`Error::CannotGrant`] if nobody here may invite.
    pub(crate) fn authoriser(&self, unit: &Unit<'_>, user: &UserId) -> Result<Option<OwnedUserId>> {
        if matches!(unit.membership(user)?, Some(Membership::Invite | Membership::Join)) {
            return Ok(None);
        }
        let Some(rules) = restriction(unit)? else { return Ok(None) };
        self.check_condition(&rules, user)?;
        self.inviter(unit)?.map(Some).ok_or(Error::CannotGrant)
    }

    /// Whether this server may vouch for the join of a user of another in the name of its own user.
    ///
    /// # Errors
    /// As [`Self::authoriser`].
    pub(crate) fn check_authoriser(&self, unit: &Unit<'_>, user: &UserId, authoriser: &UserId) -> Result<()> {
        let Some(rules) = restriction(unit)? else {
            return Err(Error::Denied("Nobody has to let anybody in to this room".to_owned()));
        };
        if !matches!(unit.membership(user)?, Some(Membership::Invite | Membership::Join)) {
            self.check_condition(&rules, user)?;
        }
        let powers = unit.power_levels()?;
        let is_member = unit.membership(authoriser)? == Some(Membership::Join);
        if is_member && powers.of(authoriser) >= Power::from(powers.invite) { Ok(()) } else { Err(Error::CannotGrant) }
    }

    fn check_condition(&self, rules: &JoinRulesContent, user: &UserId) -> Result<()> {
        let mut unknown = false;
        for room in &rules.allowed_rooms {
            if !self.has_server(room, self.server_name())? {
                unknown = true;
            } else if self.membership(room, user)? == Some(Membership::Join) {
                return Ok(());
            }
        }
        // Of its own users a server knows all rooms that they are in.
        if unknown && user.server_name() != self.server_name() {
            return Err(Error::CannotAuthorise);
        }
        Err(Error::Denied("You are in none of the rooms whose members may join".to_owned()))
    }

    /// A joined member of this server who may invite.
    fn inviter(&self, unit: &Unit<'_>) -> Result<Option<OwnedUserId>> {
        let powers = unit.power_levels()?;
        let able =
            |user: &UserId| user.server_name() == self.server_name() && powers.of(user) >= Power::from(powers.invite);
        // Those of rank first: they are few, and in most rooms among them is one.
        for user in powers.creators.iter().chain(powers.users.keys()).filter(|user| able(user)) {
            if unit.membership(user)? == Some(Membership::Join) {
                return Ok(Some(user.clone()));
            }
        }
        if Power::from(powers.users_default) < Power::from(powers.invite) {
            return Ok(None);
        }
        let members = self.members(&unit.room.id)?;
        let found = members.into_iter().find(|member| member.membership == Membership::Join && able(&member.user));
        Ok(found.map(|member| member.user))
    }

    /// The other servers in the room of whose users one may invite.
    pub(crate) fn granting_servers(&self, unit: &Unit<'_>) -> Result<Vec<OwnedServerName>> {
        let powers = unit.power_levels()?;
        let anybody = Power::from(powers.users_default) >= Power::from(powers.invite);
        let mut servers: Vec<OwnedServerName> = Vec::new();
        for user in powers.creators.iter().chain(powers.users.keys()) {
            let may = powers.of(user) >= Power::from(powers.invite);
            if may && unit.membership(user)? == Some(Membership::Join) {
                servers.push(user.server_name().to_owned());
            }
        }
        if anybody {
            servers.extend(self.servers(&unit.room.id)?);
        }
        let own: &ServerName = self.server_name();
        servers.retain(|server| server != own);
        Ok(servers)
    }
}

/// The join rules, if they let in the members of other rooms.
fn restriction(unit: &Unit<'_>) -> Result<Option<JoinRulesContent>> {
    let Some(rules) = unit.state("m.room.join_rules", "")?.map(|pdu| JoinRulesContent::of(&pdu)) else {
        return Ok(None);
    };
    let version = unit.room.version;
    let restricts = match rules.join_rule {
        JoinRule::Restricted => version.has_restricted_joins(),
        JoinRule::KnockRestricted => version.rules().authorization.knock_restricted_join_rule,
        _ => false,
    };
    Ok(restricts.then_some(rules))
}
