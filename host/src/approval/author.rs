//! Whose commit a run is for, as far as a name and an address tell. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether someone made the commit that a run is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorship {
    /// They did: by what that is known, as a clause.
    Own(String),
    /// Somebody else did.
    Others,
    /// Nobody can tell: why, as a clause.
    Unknown(String),
}

/// One line for people.
impl fmt::Display for Authorship {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(how) => write!(f, "they made the commit: {how}"),
            Self::Others => f.write_str("somebody else made the commit"),
            Self::Unknown(why) => write!(f, "nobody can tell who made the commit: {why}"),
        }
    }
}

/// Who made a commit, as git has it: whoever commits writes what they like.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// `Alice Example`.
    pub name: &'a str,
    /// `alice@example.com`.
    pub email: &'a str,
}

/// Someone's account, as the CI system has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account<'a> {
    /// The login.
    pub login: Option<&'a str>,
    /// The account's number.
    pub id: Option<&'a str>,
    /// The name that it shows.
    pub name: Option<&'a str>,
    /// Its address.
    pub email: Option<&'a str>,
}

impl<'a> Author<'a> {
    /// Taken from `Alice Example <alice@example.com>`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (name, email) = text.trim().strip_suffix('>')?.rsplit_once('<')?;
        Some(Self { name: name.trim(), email })
    }

    /// Whether this is whose account that is. Where it looks like it, it is: a name alone is enough.
    pub fn is(&self, account: &Account<'_>) -> Authorship {
        let own = |why: &str| Authorship::Own(why.to_owned());
        if same(Some(self.email), account.email) {
            return own("its author has their address");
        }
        match private_address(self.email) {
            Some((Some(id), _)) if Some(id) == account.id => return own("its author has their private address"),
            Some((_, login)) if same(Some(login), account.login) => return own("its author has their private address"),
            _ => {}
        }
        if same(Some(self.name), account.name) || same(Some(self.name), account.login) {
            return own("its author has their name");
        }
        let tells_accounts_apart = private_address(self.email).is_some_and(|(id, _)| id.is_some());
        if self.email.trim().is_empty() {
            Authorship::Unknown("it names no address of its author".to_owned())
        } else if account.email.is_some_and(|email| !email.trim().is_empty())
            || tells_accounts_apart && account.id.is_some()
        {
            Authorship::Others
        } else {
            Authorship::Unknown("nothing says which address the approver has".to_owned())
        }
    }
}

/// Account and login of an address that GitLab (`12-alice@users.noreply.gitlab.com`) or GitHub
/// (`12+alice@users.noreply.github.com`, once `alice@...`) gives to those who don't show theirs.
fn private_address(email: &str) -> Option<(Option<&str>, &str)> {
    let (local, host) = email.trim().rsplit_once('@')?;
    if !host.to_ascii_lowercase().starts_with("users.noreply.") {
        return None;
    }
    let split = local.split_once(['-', '+']).filter(|(id, _)| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
    Some(split.map_or((None, local), |(id, login)| (Some(id), login)))
}

/// The same but for case. Nothing is the same as nothing.
fn same(one: Option<&str>, other: Option<&str>) -> bool {
    let fold = |text: &str| text.trim().to_lowercase();
    one.zip(other).is_some_and(|(one, other)| !one.trim().is_empty() && fold(one) == fold(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Account<'_> =
        Account { login: Some("alice"), id: Some("5"), name: Some("Alice Example"), email: Some("alice@example.com") };

    fn of(author: &str, account: &Account<'_>) -> Authorship {
        Author::parse(author).unwrap().is(account)
    }

    #[test]
    fn an_author_is_known_by_address_or_by_name() {
        for own in [
            "A <alice@example.com>",
            "A <ALICE@Example.com >",
            "alice example <other@example.com>",
            "Alice <other@example.com>",
            "A <5-was-called-otherwise@users.noreply.gitlab.example.com>",
            "A <5+alice@users.noreply.github.com>",
            "A <alice@users.noreply.github.com>",
        ] {
            assert!(matches!(of(own, &ALICE), Authorship::Own(_)), "{own}");
        }
        for other in [
            "Bob <bob@example.com>",
            " <bob@example.com>",
            "Bob <6-alicia@users.noreply.gitlab.com>",
            "Bob <5-x@noreply.example.com>",
            "Alice Example-Other <x@example.com>",
        ] {
            assert_eq!(of(other, &ALICE), Authorship::Others, "{other}");
        }
    }

    #[test]
    fn what_nobody_can_tell_is_unknown() {
        let without_address = Account { email: None, ..ALICE };
        let empty = Account { email: Some(""), ..ALICE };
        for account in [&without_address, &empty] {
            assert!(matches!(of("Bob <bob@example.com>", account), Authorship::Unknown(_)));
            assert_eq!(of("Bob <6-bob@users.noreply.gitlab.com>", account), Authorship::Others);
        }
        assert!(matches!(of("Bob <>", &ALICE), Authorship::Unknown(_)));
        // Nothing is nobody's.
        let nobody = Account { name: Some(""), ..Account::default() };
        assert!(matches!(of(" <x@example.com>", &nobody), Authorship::Unknown(_)));
        for none in ["", "Alice", "Alice alice@example.com"] {
            assert!(Author::parse(none).is_none(), "{none}");
        }
    }
}
