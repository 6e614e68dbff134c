//! From policies to what one step gets, and the same for people.

use std::sync::Arc;

use super::{Advice, Policies};
use crate::capability::reference::{shown, unknown_config};
use crate::capability::{Grants, Layer, Limits, Open, Origin, Permissions, UrlPattern, Values, Variables, names};

/// Whom it is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The step type.
    pub step_type: &'a str,
    /// It is part of shiro.
    pub builtin: bool,
    /// What it asks for.
    pub asked: &'a Permissions,
    /// The step's own `permissions`, and those of the steps that it stands in.
    pub step: &'a [Arc<Permissions>],
}

/// What a step gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What an attempt gets.
    pub grants: Grants,
    /// One line for each thing granted, e.g. `network requests to https://hooks.slack.com:443`. Never a path, a query or
    /// another part of a URL that may be secret.
    pub granted: Vec<String>,
    /// One line for each thing asked for and not granted, with why.
    pub refused: Vec<String>,
    /// What would allow more.
    pub advice: Advice,
}

impl Policies {
    /// What a step gets with these values for what permissions refer to. With a config whose templates are unresolved, what
    /// depends on one is described as known only when the step runs.
    pub fn decide(&self, subject: &Subject<'_>, values: &Values<'_>) -> Decision {
        let (asked, unclear) = Layer::resolve(Origin::Asked, subject.asked, values);
        let advice = Advice::new(self, subject, &asked.permissions);
        let mut decision = Decision { advice, ..Decision::default() };
        for open in unclear {
            if let Open::Unusable(why) = open.why {
                decision.refused.push(format!("{} {}: {why}", open.kind, open.what));
            }
        }
        let mut layers = vec![asked];
        let named = self.repository.as_ref().is_some_and(|policy| policy.of(subject.step_type).is_some());
        for (origin, permissions) in self.layers(subject) {
            let (mut layer, _) = Layer::resolve(origin, permissions, values);
            layer.open = self.learning && layer.origin == Origin::Repository && (named || !subject.builtin);
            layers.push(layer);
        }
        for item in items(&layers[0].permissions) {
            let line = line(&item);
            match layers[1..].iter().find(|layer| !layer.open && !covers(layer, &item)) {
                None => decision.granted.push(line),
                Some(layer) if touches(&layer.permissions, &item) => {
                    decision.granted.push(format!("{line}: in part, as far as {} allows it", self.name(&layer.origin)));
                }
                Some(layer) => {
                    decision.refused.push(format!("{line}: {} does not grant it", self.name(&layer.origin)));
                }
            }
        }
        decision.grants = Grants { layers };
        decision
    }

    /// What a step of this type gets in a job with these variables when its config is not known: what depends on that is
    /// described so.
    pub fn decide_for_any_config(&self, subject: &Subject<'_>, variables: &Variables) -> Decision {
        let Permissions { network, process, files, store, .. } = subject.asked;
        let texts = network.iter().map(|one| &one.url);
        let texts = texts.chain(process.iter().map(|one| &one.program)).chain(files.iter().map(|one| &one.path));
        let texts = texts.chain(store.iter().map(|one| &one.keys));
        let config = unknown_config(texts.map(String::as_str));
        self.decide(subject, &Values { config: &config, derived: &[], variables })
    }

    /// Whether any config gets a step of this type something that has an effect.
    pub fn may_have_effects(&self, subject: &Subject<'_>) -> bool {
        if subject.asked.only_looks() {
            return false;
        }
        let nothing = |(origin, permissions): (Origin, &Permissions)| {
            let open = self.learning && origin == Origin::Repository;
            !open && permissions.only_looks()
        };
        !self.layers(subject).into_iter().any(nothing)
    }

    fn name(&self, origin: &Origin) -> String {
        match origin {
            Origin::Repository => self.repository_file.clone(),
            Origin::Operator(file) => file.clone(),
            other => other.to_string(),
        }
    }
}

/// One thing at a time.
fn items(all: &Permissions) -> Vec<Permissions> {
    let none = Permissions::default;
    let mut items: Vec<Permissions> = Vec::new();
    items.extend(all.network.iter().map(|one| Permissions { network: vec![one.clone()], ..none() }));
    items.extend(all.process.iter().map(|one| Permissions { process: vec![one.clone()], ..none() }));
    items.extend(all.environment.iter().map(|one| Permissions { environment: vec![one.clone()], ..none() }));
    items.extend(all.secrets.iter().map(|one| Permissions { secrets: vec![one.clone()], ..none() }));
    items.extend(all.files.iter().map(|one| Permissions { files: vec![one.clone()], ..none() }));
    items.extend(all.store.iter().map(|one| Permissions { store: vec![one.clone()], ..none() }));
    for (name, value) in all.limits.values() {
        let mut limits = Limits::default();
        if let (Some(slot), Some(_)) = (limits.named(name), value) {
            *slot = value;
            items.push(Permissions { limits, ..none() });
        }
    }
    items
}

/// The line for people. What a template decides is known later.
fn line(item: &Permissions) -> String {
    let later = item.network.iter().map(|one| &one.url).find(|url| UrlPattern::parse(url).is_err());
    match later {
        Some(url) => {
            format!("network requests to the host of {}, known when the step runs", shown(url))
        }
        None => item.lines().into_iter().map(|(kind, what)| format!("{kind} {what}")).collect(),
    }
}

fn covers(layer: &Layer, item: &Permissions) -> bool {
    // A step that says nothing of a limit does not lower it.
    let unsaid = layer.origin == Origin::Step && !item.limits.is_empty() && layer.permissions.limits.is_empty();
    let built_in = layer.origin == Origin::BuiltIn && !item.limits.is_empty();
    unsaid || built_in || item.exceeds(&layer.permissions).is_empty()
}

/// Some of what the item is about is allowed.
fn touches(allowed: &Permissions, item: &Permissions) -> bool {
    let hosts = |one: &str, other: &str| match (UrlPattern::parse(one), UrlPattern::parse(other)) {
        (Ok(one), Ok(other)) => one.overlaps(&other),
        _ => true,
    };
    item.network.iter().any(|asked| allowed.network.iter().any(|one| hosts(&one.url, &asked.url)))
        || item.process.iter().any(|asked| {
            allowed.process.iter().any(|one| one.means(&asked.program) || asked.covers_program(&one.program))
        })
        || item.environment.iter().any(|asked| names::overlap(&allowed.environment, asked))
        || item.files.iter().any(|asked| allowed.files.iter().any(|one| one.meet(asked).is_some()))
        || item.store.iter().any(|asked| allowed.store.iter().any(|one| one.overlaps(asked)))
}
