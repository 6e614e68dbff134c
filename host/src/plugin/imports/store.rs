//! `shiro:step/store`: calls are checked against the grants here, and carried out by `data`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::capability::{Access, Permissions, Scope, StorePermission};
use crate::data::{Author, Data, DataError, Entry, Kind, Room};
use crate::plugin::attempt::Attempt;
use crate::plugin::bindings::shiro::step::store::{Error as CallError, Host};
use crate::plugin::limits::{Limit, bytes};
use crate::plugin::rights::Rights;

/// The shared data that an attempt's guest has.
pub(in crate::plugin) struct SharedData {
    /// `None` for a guest that is only asked for its description.
    data: Option<Arc<Data>>,
    /// What it may store, in MiB.
    budget_mib: u32,
    /// What it has stored, in bytes.
    stored: usize,
}

impl SharedData {
    pub(in crate::plugin) fn new(data: Arc<Data>, budget_mib: u32) -> Self {
        Self { data: Some(data), budget_mib, stored: 0 }
    }

    /// There is none.
    pub(in crate::plugin) fn none() -> Self {
        Self { data: None, budget_mib: 0, stored: 0 }
    }
}

impl Host for Attempt {
    async fn get(&mut self, scope: String, key: String) -> Result<Option<String>, CallError> {
        let (room, data) = self.granted(&scope, &key, Access::Read, &Tried::Read(&key))?;
        let found = carry_out(&data, move |data| data.get(&room, &key)).await.map_err(|error| self.failed(error))?;
        found.map(|entry| self.value(&data, &entry)).transpose()
    }

    async fn exists(&mut self, scope: String, key: String) -> Result<bool, CallError> {
        let (room, data) = self.granted(&scope, &key, Access::Read, &Tried::Read(&key))?;
        let found = carry_out(&data, move |data| data.get(&room, &key)).await;
        found.map(|entry| entry.is_some()).map_err(|error| self.failed(error))
    }

    async fn set(&mut self, scope: String, key: String, value: String, ttl_ms: Option<u64>) -> Result<(), CallError> {
        let (room, data) = self.granted(&scope, &key, Access::ReadWrite, &Tried::Write(&key))?;
        let budget = bytes(self.shared.budget_mib);
        let stored = self.shared.stored.saturating_add(value.len());
        if stored > budget {
            let limit = Limit::Store(self.shared.budget_mib);
            self.rights.notes().limit(limit);
            return Err(CallError::Limit(format!("{limit}: {}", limit.hint())));
        }
        let value: Value = serde_json::from_str(&value)
            .map_err(|error| CallError::Invalid(format!("the value is not JSON: {error}")))?;
        self.shared.stored = stored;
        let by = Author {
            run: Some(self.context.run.clone()),
            workflow: Some(self.context.workflow.to_string()),
            step: Some(self.context.step.clone()),
        };
        let ttl = ttl_ms.map(Duration::from_millis);
        let done = carry_out(&data, move |data| data.set(&room, &key, value, ttl, by).map(drop)).await;
        done.map_err(|error| self.failed(error))
    }

    async fn delete(&mut self, scope: String, key: String) -> Result<bool, CallError> {
        let (room, data) = self.granted(&scope, &key, Access::ReadWrite, &Tried::Delete(&key))?;
        carry_out(&data, move |data| data.delete(&room, &key)).await.map_err(|error| self.failed(error))
    }

    async fn list(&mut self, scope: String, prefix: String) -> Result<Vec<String>, CallError> {
        if prefix.contains('*') || prefix.contains(char::is_control) {
            return Err(CallError::Invalid("no key begins so: keys have no `*` and no control characters".to_owned()));
        }
        let tried = Tried::List(&prefix);
        let (room, data) = self.granted(&scope, &format!("{prefix}*"), Access::Read, &tried)?;
        let scope = room.scope;
        let entries = carry_out(&data, move |data| data.entries(&room, &prefix)).await;
        let keys = entries.map_err(|error| self.failed(error))?.into_iter().map(|entry| entry.key);
        let may_read = |key: &String| {
            let need = StorePermission::of(scope, key.as_str(), Access::Read);
            self.rights.grants().store(&need).is_ok()
        };
        Ok(keys.filter(may_read).collect())
    }

    async fn expires_at_ms(&mut self, scope: String, key: String) -> Result<Option<u64>, CallError> {
        let (room, data) = self.granted(&scope, &key, Access::Read, &Tried::Read(&key))?;
        carry_out(&data, move |data| data.expires_at(&room, &key)).await.map_err(|error| self.failed(error))
    }
}

/// What a guest tries.
enum Tried<'a> {
    Read(&'a str),
    Write(&'a str),
    Delete(&'a str),
    List(&'a str),
}

impl Tried<'_> {
    fn sentence(&self, scope: Scope) -> String {
        let (what, key) = match self {
            Self::Read(key) => ("read the key", key),
            Self::Write(key) => ("store the key", key),
            Self::Delete(key) => ("delete the key", key),
            Self::List("") => return format!("list the keys of the shared data in the scope {scope}"),
            Self::List(prefix) => ("list the keys that begin with", prefix),
        };
        format!("{what} `{}` of the shared data in the scope {scope}", key.escape_debug())
    }
}

impl Attempt {
    /// The room and the data, if this is granted. `keys` is a key, or the beginning of keys and `*`.
    fn granted(
        &self,
        scope: &str,
        keys: &str,
        access: Access,
        tried: &Tried<'_>,
    ) -> Result<(Room, Arc<Data>), CallError> {
        let scope: Scope = scope.parse().map_err(|error| CallError::Invalid(format!("{error}")))?;
        let need = StorePermission::of(scope, keys, access);
        let permissions = |need: StorePermission| Permissions { store: vec![need], ..Permissions::default() };
        let grants = self.rights.grants();
        // A list needs all that it could name: one that lacks what may not be read would be taken for the whole. Built-in
        // types name to people what there is, as far as they may.
        let in_part = matches!(tried, Tried::List(_)) && self.rights.builtin();
        let granted = if in_part { grants.store_in_part(&need) } else { grants.store(&need) };
        if let Err(by) = granted {
            let tried = tried.sentence(scope);
            let hint = self.rights.deny(tried.clone(), &by, &permissions(need));
            return Err(CallError::Denied(format!("not allowed to {tried}: {hint}")));
        }
        let Some(data) = &self.shared.data else {
            return Err(CallError::Failed("there is no shared data here".to_owned()));
        };
        self.rights.used(|| permissions(need));
        let room = data.room(scope, Some(&self.context.run)).map_err(|error| self.failed(error))?;
        Ok((room, Arc::clone(data)))
    }

    /// An entry's value, if the secrets that it refers to are granted: what was stored by one step is no way around another
    /// one's grants.
    fn value(&self, data: &Data, entry: &Entry) -> Result<String, CallError> {
        let rights: &Rights = &self.rights;
        if !rights.builtin() {
            let names = data.secrets_of(entry).map_err(|error| self.failed(error))?;
            for name in names {
                let need = Permissions { secrets: vec![name.clone()], ..Permissions::default() };
                if let Err(by) = rights.grants().secret(&name) {
                    let key = entry.key.escape_debug();
                    let tried = format!("see the secret `{name}`, which is part of what is stored for `{key}`");
                    let hint = rights.deny(tried.clone(), &by, &need);
                    return Err(CallError::Denied(format!("not allowed to {tried}: {hint}")));
                }
                rights.used(|| need);
            }
        }
        data.open(entry).map(|value| value.to_string()).map_err(|error| self.failed(error))
    }

    /// The error for the guest. What it was is noted, in case the step fails for it.
    fn failed(&self, error: DataError) -> CallError {
        let text = match &error.hint {
            Some(hint) => format!("{} (hint: {hint})", error.message),
            None => error.message.clone(),
        };
        match error.kind {
            Kind::Invalid => CallError::Invalid(text),
            Kind::Limit => {
                self.rights.notes().limit(Limit::Shared);
                CallError::Limit(text)
            }
            Kind::Unreadable => {
                self.rights.notes().unreadable(error);
                CallError::Unreadable(text)
            }
            Kind::Failed | Kind::Held => CallError::Failed(text),
        }
    }
}

/// Does what blocks on a thread that may.
async fn carry_out<T: Send + 'static>(
    data: &Arc<Data>,
    act: impl FnOnce(&Data) -> Result<T, DataError> + Send + 'static,
) -> Result<T, DataError> {
    let data = Arc::clone(data);
    let done = tokio::task::spawn_blocking(move || act(&data)).await;
    done.unwrap_or_else(|error| Err(DataError::new(Kind::Failed, format!("a bug in shiro: {error}"))))
}
