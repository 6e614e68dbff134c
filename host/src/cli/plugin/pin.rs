//! What `add` and `update` share: from a component to an entry of the lock file, and what changes by it.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use super::super::args::plugin::ConsentArgs;
use super::super::error::{CliError, PLUGIN, USAGE};
use super::super::project::{package_error, plugin_error};
use super::shown;
use crate::id::{Digest, StepType, TYPE_NAMES, is_type_name};
use crate::package::Packages;
use crate::package::lock::{Entry, Origin};
use crate::package::reference::Reference;
use crate::package::registry::{Access, Artifact, Options, Registry};
use crate::package::signature::{PublicKey, Signed};
use crate::plugin::{Catalog, LoadedType, Source};

/// A component that may become a step type.
pub(super) struct Candidate {
    pub(super) step_type: StepType,
    pub(super) entry: Entry,
    pub(super) bytes: Vec<u8>,
    pub(super) loaded: LoadedType,
    /// It was published with a signature, whether or not anybody's was wanted.
    pub(super) minisign: bool,
}

/// What a candidate is made from.
pub(super) struct Found {
    pub(super) origin: Origin,
    /// For a file: where.
    pub(super) file: Option<PathBuf>,
    pub(super) manifest: Option<Digest>,
    pub(super) bytes: Vec<u8>,
    pub(super) minisign: Option<String>,
}

impl Found {
    /// What a reference means now.
    pub(super) fn in_registry(reference: &Reference, options: &Options) -> Result<Self, CliError> {
        let (artifact, bytes) = super::wait(async {
            let mut registry = Registry::open(reference, Access::Pull, options)?;
            let artifact = registry.resolve().await?;
            let bytes = registry.fetch(&artifact).await?;
            Ok((artifact, bytes))
        })?;
        let Artifact { manifest, minisign, .. } = artifact;
        let origin = Origin::Registry(reference.clone());
        Ok(Self { origin, file: None, manifest: Some(manifest), bytes, minisign })
    }
}

impl Candidate {
    /// Loads a component, and checks its signature if one is wanted: `key`'s, or that of a signer that policies require.
    pub(super) fn new(
        found: Found,
        name: Option<&str>,
        key: Option<&PublicKey>,
        packages: &Packages,
    ) -> Result<Self, CliError> {
        let Found { origin, file, manifest, bytes, minisign } = found;
        let source = match (&origin, file) {
            (Origin::Registry(reference), _) => Source::Package(reference.to_string()),
            (Origin::File, file) => Source::File(file.unwrap_or_default()),
        };
        let catalog = Catalog::new(Vec::new());
        let loaded = catalog.load_bytes(&StepType::new(name.unwrap_or("component")), &bytes, source);
        let loaded = loaded.map_err(plugin_error)?;
        let step_type = type_name(name, &loaded, &catalog)?;
        let text = origin.text(&step_type);
        let place = loaded.source().to_string();
        let signature = signature(minisign.as_deref(), key, &text, &place, &bytes, packages)?;
        packages.trust().check(&text, signature.as_ref(), &place).map_err(package_error)?;
        let entry = Entry {
            origin,
            manifest,
            component: loaded.digest(),
            interface: loaded.interface(),
            permissions: loaded.description().permissions.clone(),
            signature,
        };
        Ok(Self { step_type, entry, bytes, loaded, minisign: minisign.is_some() })
    }

    /// Shows what changes, asks-for first, and writes it, if that is wanted and nothing speaks against it. Says whether
    /// anything was written.
    pub(super) fn pin(
        self,
        packages: &mut Packages,
        consent: ConsentArgs,
        out: &mut dyn Write,
    ) -> Result<bool, CliError> {
        let before = packages.pin(&self.step_type).cloned();
        out.write_all(self.describe(before.as_ref()).as_bytes())?;
        if consent.dry_run {
            writeln!(out, "  nothing was changed (-dry-run)")?;
            return Ok(false);
        }
        let objections = before.as_ref().map(|before| self.objections(before)).unwrap_or_default();
        if !objections.is_empty() && !consent.yes {
            let message = format!("`{}` was not pinned: {}", self.step_type, objections.join(", and "));
            return Err(CliError::new(PLUGIN, message).hint("if that is right, say so with -yes"));
        }
        self.write(packages)?;
        writeln!(out, "  pinned in {}", packages.lock_path().display())?;
        Ok(true)
    }

    /// What nobody would want without having been asked.
    fn objections(&self, before: &Entry) -> Vec<String> {
        let mut objections = Vec::new();
        if !self.entry.permissions.exceeds(&before.permissions).is_empty() {
            objections.push("it asks for more than before".to_owned());
        }
        let key = |entry: &Entry| entry.signature.as_ref().map(|signed| signed.key.clone());
        match (key(before), key(&self.entry)) {
            (Some(before), None) => objections.push(format!("it was signed with {before}, and now it is not")),
            (Some(before), Some(now)) if before != now => {
                objections.push(format!("it was signed with {before}, and now with {now}"));
            }
            _ => {}
        }
        objections
    }

    fn describe(&self, before: Option<&Entry>) -> String {
        let mut text = format!("{} {}\n", self.step_type, shown(&self.loaded.description().version));
        let asks = &self.entry.permissions;
        let none = Default::default();
        let known = before.map_or(&none, |before| &before.permissions);
        let title = if before.is_some() { "asks for more" } else { "asks for" };
        section(&mut text, title, &asks.exceeds(known));
        section(&mut text, "no longer asks for", &known.exceeds(asks));
        if before.is_none() && asks.is_empty() {
            text.push_str("  asks for nothing\n");
        }
        let mut changed = |title: &str, now: String, before: Option<String>| match before {
            Some(before) if before != now => drop(writeln!(text, "  {title:<10} {before} -> {now}")),
            Some(_) => {}
            None => drop(writeln!(text, "  {title:<10} {now}")),
        };
        let signer = |entry: &Entry| {
            entry.signature.as_ref().map_or_else(|| "not signed".to_owned(), |signed| signed.key.to_string())
        };
        let old = |text: fn(&Entry, &StepType) -> String| before.map(|before| text(before, &self.step_type));
        changed("source", self.entry.origin.text(&self.step_type), old(|entry, name| entry.origin.text(name)));
        changed("component", self.entry.component.to_string(), old(|entry, _| entry.component.to_string()));
        changed("interface", self.entry.interface.clone(), old(|entry, _| entry.interface.clone()));
        if before.is_some() || self.entry.signature.is_some() {
            changed("signed by", signer(&self.entry), before.map(signer));
        } else if self.minisign {
            text.push_str("  it is signed, and nobody's signature is wanted: -key KEY checks it, now and later\n");
        }
        text
    }

    /// The component first: what the lock file names is there.
    fn write(self, packages: &mut Packages) -> Result<(), CliError> {
        let file = packages.plugin_file(&self.step_type);
        match self.entry.origin {
            Origin::Registry(_) => drop(packages.store().put(&self.bytes).map_err(package_error)?),
            Origin::File => packages.put_file(&self.step_type, &self.bytes).map_err(package_error)?,
        }
        let before = packages.pin(&self.step_type).cloned();
        let registry = matches!(self.entry.origin, Origin::Registry(_));
        let (step_type, entry) = (self.step_type, self.entry);
        packages.change_lock(|lock| drop(lock.plugins.insert(step_type, entry))).map_err(package_error)?;
        if let Some(before) = before {
            packages.tidy(before.component).map_err(package_error)?;
            // It came from a file before, which would now stand in the way.
            if registry && before.origin == Origin::File {
                packages.remove_file(&file, before.component).map_err(package_error)?;
            }
        }
        Ok(())
    }
}

fn section(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {title}");
    for line in lines {
        let _ = writeln!(text, "    {}", shown(line));
    }
}

fn type_name(name: Option<&str>, loaded: &LoadedType, catalog: &Catalog) -> Result<StepType, CliError> {
    let own = loaded.description().name.as_str();
    let name = name.unwrap_or(own);
    let bad =
        |what: &str| CliError::new(USAGE, format!("`{}` {what}", shown(name))).hint("give it another name: -as TYPE");
    if !is_type_name(name) {
        return Err(bad("can't be the name of a step type").hint(TYPE_NAMES));
    }
    if catalog.builtin_wasm(name).is_some() {
        return Err(bad("is a built-in step type, and nothing can replace it"));
    }
    Ok(StepType::new(name))
}

fn signature(
    minisign: Option<&str>,
    key: Option<&PublicKey>,
    source: &str,
    place: &str,
    bytes: &[u8],
    packages: &Packages,
) -> Result<Option<Signed>, CliError> {
    let trust = packages.trust();
    let keys: Vec<&PublicKey> = match (key, trust.signers(source)) {
        (Some(key), _) => vec![key],
        (None, Some(signers)) => signers,
        (None, None) => return Ok(None),
    };
    let by = trust.required_by(source).unwrap_or_else(|| "-key".to_owned());
    let Some(minisign) = minisign else {
        let hint = match source.starts_with(crate::package::reference::SCHEME) {
            true => "have it published with one: `minisign -Sm FILE`, then `shiro plugin publish FILE OCI`".to_owned(),
            false => format!("sign it (`minisign -Sm FILE`): the signature is expected in {place}.minisig"),
        };
        return Err(CliError::new(PLUGIN, format!("{place}: it has no signature, and {by} requires one")).hint(hint));
    };
    let mut refused = CliError::new(PLUGIN, format!("{place}: {by}: no signer satisfies all that require a signature"))
        .hint("name one in each of these policies whose signature is good for it");
    for key in keys {
        let signed = Signed { key: key.clone(), minisign: minisign.to_owned() };
        match signed.check(bytes, place) {
            Ok(()) => return Ok(Some(signed)),
            Err(error) => refused = package_error(error),
        }
    }
    Err(refused)
}
