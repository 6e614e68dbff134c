//! What one attempt may do: what its type asks for and what each policy allows, each a layer, and every layer must agree.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::limits::Limits;
use super::network::{UrlPattern, path_is_below};
use super::{Access, FilePermission, Permissions, ProcessPermission, StorePermission, names};

/// Whose word a layer is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The step type's own request.
    Asked,
    /// The policy for built-in types.
    BuiltIn,
    /// The repository's policy.
    Repository,
    /// An operator's policy: its file.
    Operator(String),
    /// The step's own `permissions`.
    Step,
}

/// One word on what may be done, with all that refers to the config filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Whose it is.
    pub origin: Origin,
    /// What it allows. References that have no value yet are left as they are, and allow nothing.
    pub permissions: Permissions,
    /// For each of `permissions.network`: whether its host may have any private address, for being named.
    pub named: Vec<Named>,
    /// It allows everything, to learn what is used: `shiro run -learn`.
    pub open: bool,
}

/// Whether a host may have any private address, because somebody named it who may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// Nobody did.
    #[default]
    No,
    /// The permission did, by an address or by a variable of the job: that counts where the permission stands, so each
    /// layer has to.
    Here,
    /// The workflow did, in the step's config: that counts for what the repository grants, too.
    Config,
}

/// What one attempt may do. Without layers nothing; with some, what all of them allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The layers, the request first.
    pub layers: Vec<Layer>,
}

/// An HTTP request, as far as it is granted or not.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// As `url::Url::host_str` gives it.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// As `url::Url::path` gives it.
    pub path: &'a str,
}

/// Which addresses that are not the internet's a request may go to: each layer that has a word in it has to hold the
/// address. Without one any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PrivateRanges(Vec<(Origin, Vec<IpNet>)>);

impl PrivateRanges {
    /// Any private address.
    pub fn any() -> Self {
        Self::default()
    }

    /// No private address.
    pub fn none() -> Self {
        Self(vec![(Origin::Asked, Vec::new())])
    }

    /// These private addresses, on whose word that is.
    pub fn of(origin: Origin, ranges: Vec<IpNet>) -> Self {
        Self(vec![(origin, ranges)])
    }

    /// Whether this address, which is not the internet's, is fine.
    pub fn allow(&self, address: IpAddr) -> bool {
        self.refuser(address).is_none()
    }

    /// Who does not allow this address.
    pub fn refuser(&self, address: IpAddr) -> Option<&Origin> {
        let address = address.to_canonical();
        let holds = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&address));
        self.0.iter().find(|(_, ranges)| !holds(ranges)).map(|(origin, _)| origin)
    }
}

/// What a program that is granted inherits of the job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessGrant {
    layers: Vec<(Origin, Vec<ProcessPermission>)>,
    pinned: Option<String>,
}

impl ProcessGrant {
    /// Whether every layer lets it inherit this variable.
    pub fn inherits(&self, variable: &str) -> bool {
        !self.layers.is_empty()
            && self.layers.iter().all(|(_, layer)| layer.iter().any(|permission| permission.inherits(variable)))
    }

    /// Whether every layer names this variable in full: as it has to for a secret one.
    pub fn inherits_by_name(&self, variable: &str) -> bool {
        let names =
            |one: &ProcessPermission| one.inherit_environment || one.environment.iter().any(|own| own == variable);
        !self.layers.is_empty() && self.layers.iter().all(|(_, layer)| layer.iter().any(names))
    }

    /// Every layer lets it inherit the whole environment.
    pub fn inherits_all(&self) -> bool {
        !self.layers.is_empty()
            && self.layers.iter().all(|(_, layer)| layer.iter().any(|permission| permission.inherit_environment))
    }

    /// The job's variables that the step type asks to have inherited.
    pub fn asked_environment(&self) -> Vec<String> {
        let asked = self.layers.iter().filter(|(origin, _)| *origin == Origin::Asked);
        asked.flat_map(|(_, layer)| layer).flat_map(|permission| permission.environment.clone()).collect()
    }

    /// The directories it may run in, by layer: one of each has to hold it. As a policy writes them, `None` for the
    /// project's.
    pub fn dirs(&self) -> impl Iterator<Item = (&Origin, Vec<Option<&str>>)> {
        self.layers
            .iter()
            .map(|(origin, layer)| (origin, layer.iter().map(|permission| permission.working_dir.as_deref()).collect()))
    }

    /// The file that a policy names for it, where the step names a program to be found: it is that one and no other.
    pub fn pinned(&self) -> Option<&str> {
        self.pinned.as_deref()
    }

    /// A grant that one permission gives.
    pub fn of(permission: ProcessPermission) -> Self {
        Self { layers: vec![(Origin::Asked, vec![permission])], pinned: None }
    }
}

impl Grants {
    /// Whether a request may be sent, and to which private addresses; otherwise the first layer that says no.
    pub fn network(&self, destination: Destination<'_>) -> Result<PrivateRanges, Origin> {
        let mut private = Vec::new();
        // A plugin can't ask for private addresses: they are a policy's to grant, where there is one.
        let decided =
            self.layers.iter().any(|layer| !matches!(layer.origin, Origin::Asked | Origin::Step) && !layer.open);
        for layer in self.checked()? {
            let mut ranges = Vec::new();
            let mut named = false;
            let mut allowed = false;
            for (permission, is_named) in layer.network(destination) {
                allowed = true;
                named |= is_named != Named::No;
                ranges.extend(permission.private.iter().filter_map(|range| range.parse::<IpNet>().ok()));
            }
            if !allowed && !layer.open {
                return Err(layer.origin.clone());
            }
            let Destination { scheme, host, port, .. } = destination;
            named |= layer.open && UrlPattern::exactly(scheme, host, port).names_an_address();
            // What the workflow itself names may be private, unless an operator's policy says otherwise.
            let by_workflow =
                matches!(layer.origin, Origin::Repository | Origin::BuiltIn) && self.is_named(destination);
            let by_policy = decided && layer.origin == Origin::Asked;
            if !(named || by_workflow || by_policy) {
                private.push((layer.origin.clone(), ranges));
            }
        }
        Ok(PrivateRanges(private))
    }

    /// The private ranges that the repository's policy names for this request.
    pub fn ranges_in_repository(&self, destination: Destination<'_>) -> Vec<String> {
        let layers = self.layers.iter().filter(|layer| layer.origin == Origin::Repository);
        layers.flat_map(|layer| layer.network(destination)).flat_map(|(one, _)| one.private.clone()).collect()
    }

    /// Whether this layer allows the request but for its path.
    pub fn is_about_the_path(&self, origin: &Origin, destination: Destination<'_>) -> bool {
        let allows = |one: &super::NetworkPermission| {
            let Destination { scheme, host, port, method, .. } = destination;
            UrlPattern::parse(&one.url).is_ok_and(|url| url.matches(scheme, host, port))
                && (one.methods.is_empty() || one.methods.iter().any(|own| own == method))
        };
        let layers = self.layers.iter().filter(|layer| layer.origin == *origin);
        layers.flat_map(|layer| &layer.permissions.network).any(allows)
    }

    /// Whether a program may run with these arguments; otherwise the first layer that says no.
    ///
    /// Where a policy names a file for the program, those above it are asked about that file: an operator that allows `git`
    /// has not allowed the repository's `./git`.
    pub fn process(&self, program: &str, args: &[String]) -> Result<ProcessGrant, Origin> {
        let mut grant = ProcessGrant::default();
        for layer in self.checked()?.iter().filter(|layer| !layer.open) {
            let about = |one: &ProcessPermission| match (&layer.origin, grant.pinned.as_deref()) {
                (Origin::Asked, _) => one.covers_program(program),
                (Origin::Step, Some(file)) => one.covers_program(file) || one.covers_program(program),
                (_, Some(file)) => one.covers_program(file),
                (_, None) => one.means(program),
            };
            let matching: Vec<_> =
                layer.permissions.process.iter().filter(|one| about(one) && one.covers_args(args)).cloned().collect();
            if matching.is_empty() {
                return Err(layer.origin.clone());
            }
            if layer.origin != Origin::Asked && grant.pinned.is_none() {
                let file = matching.iter().find(|one| one.program.contains('/'));
                grant.pinned = file.map(|one| one.program.clone());
            }
            grant.layers.push((layer.origin.clone(), matching));
        }
        Ok(grant)
    }

    /// What the step type asks for a program with these arguments, whoever grants it; nothing if it does not ask for it.
    pub fn asked_of_process(&self, program: &str, args: &[String]) -> ProcessGrant {
        let asked = self.layers.iter().filter(|layer| layer.origin == Origin::Asked);
        Self { layers: asked.cloned().collect() }.process(program, args).unwrap_or_default()
    }

    /// Whether the step sees a variable that is not a secret; otherwise the first layer that says no.
    pub fn variable(&self, name: &str) -> Result<(), Origin> {
        self.all(|permissions| names::matches(&permissions.environment, name))
    }

    /// Whether this layer allows some of the variables that a pattern is about.
    pub fn touch_variables(&self, origin: &Origin, pattern: &str) -> bool {
        let mut layers = self.layers.iter().filter(|layer| layer.origin == *origin);
        layers.any(|layer| names::overlap(&layer.permissions.environment, pattern))
    }

    /// Whether the step sees a secret variable; otherwise the first layer that says no.
    pub fn secret(&self, name: &str) -> Result<(), Origin> {
        self.all(|permissions| permissions.secrets.iter().any(|secret| secret == name))
    }

    /// The directories that every layer allows: of two that lie in one another the inner one, with the lesser access.
    pub fn files(&self) -> Vec<FilePermission> {
        let mut layers = self.layers.iter().filter(|layer| !layer.open);
        let Some(first) = layers.next() else { return Vec::new() };
        let mut granted = first.permissions.files.clone();
        for layer in layers {
            let meet = |one: &FilePermission| {
                layer.permissions.files.iter().filter_map(|other| one.meet(other)).collect::<Vec<_>>()
            };
            granted = granted.iter().flat_map(meet).collect();
        }
        // Of equal directories the one with more access says all.
        granted.sort_by(|one, other| (&one.path, other.access).cmp(&(&other.path, one.access)));
        granted.dedup_by(|later, earlier| later.path == earlier.path);
        granted
    }

    /// The first layer that does not let a step use a directory so, if one does not.
    pub fn file(&self, asked: &FilePermission) -> Result<(), Origin> {
        self.all(|permissions| permissions.files.iter().any(|granted| granted.covers(asked)))
    }

    /// The first layer that does not let a step use these keys of the shared data so, if one does not.
    pub fn store(&self, asked: &StorePermission) -> Result<(), Origin> {
        self.all(|permissions| permissions.store.iter().any(|granted| granted.covers(asked)))
    }

    /// The first layer that lets a step use none of these keys so, if one does.
    pub fn store_in_part(&self, asked: &StorePermission) -> Result<(), Origin> {
        self.all(|permissions| {
            permissions.store.iter().any(|granted| granted.access >= asked.access && granted.overlaps(asked))
        })
    }

    /// The limits, where policy sets them: the repository's word, or `usual` without one; at most an operator's, or `usual`
    /// where that says nothing; at most the step's. `usual` is without a limit where it gives none.
    pub fn limits(&self, usual: &Limits) -> Limits {
        let mut effective = *usual;
        for (name, usual) in usual.values() {
            let value = |layer: &Layer| layer.permissions.limits.values().find(|(other, _)| *other == name)?.1;
            let mut limit = usual;
            for layer in &self.layers {
                limit = match (&layer.origin, value(layer)) {
                    (Origin::Asked | Origin::BuiltIn, _) => limit,
                    (Origin::Repository, given) => given.or(limit),
                    (Origin::Operator(_), given) => least(limit, given.or(usual)),
                    (Origin::Step, given) => least(limit, given),
                };
            }
            if let Some(slot) = effective.named(name) {
                *slot = limit;
            }
        }
        effective
    }

    /// An address that the workflow names: the request refers to the config, and the config names it.
    fn is_named(&self, destination: Destination<'_>) -> bool {
        let mut asked = self.layers.iter().filter(|layer| layer.origin == Origin::Asked);
        asked.any(|layer| layer.network(destination).any(|(_, named)| named == Named::Config))
    }

    fn all(&self, allows: impl Fn(&Permissions) -> bool) -> Result<(), Origin> {
        match self.checked()?.iter().find(|layer| !layer.open && !allows(&layer.permissions)) {
            Some(layer) => Err(layer.origin.clone()),
            None => Ok(()),
        }
    }

    /// The layers, of which there has to be one.
    fn checked(&self) -> Result<&[Layer], Origin> {
        if self.layers.is_empty() { Err(Origin::Asked) } else { Ok(&self.layers) }
    }
}

fn least(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.into_iter().chain(other).min()
}

impl Layer {
    /// What of it is about this request, and whether that names the host.
    fn network(&self, to: Destination<'_>) -> impl Iterator<Item = (&super::NetworkPermission, Named)> {
        let named = self.named.iter().copied().chain(std::iter::repeat(Named::No));
        self.permissions.network.iter().zip(named).filter(move |(permission, _)| {
            UrlPattern::parse(&permission.url).is_ok_and(|url| url.matches(to.scheme, to.host, to.port))
                && (permission.methods.is_empty() || permission.methods.iter().any(|method| method == to.method))
                && permission.path_prefix.as_deref().is_none_or(|prefix| path_is_below(to.path, prefix))
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("the request"),
            Self::BuiltIn => f.write_str("the built-in policy"),
            Self::Repository => f.write_str("the repository's policy"),
            Self::Operator(file) => write!(f, "the operator's policy {file}"),
            Self::Step => f.write_str("the step's own `permissions`"),
        }
    }
}

impl Access {
    /// Whether it lets write.
    pub fn writes(self) -> bool {
        self == Self::ReadWrite
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(origin: Origin, json: &str) -> Layer {
        let permissions: Permissions = serde_json::from_str(json).unwrap();
        Layer { origin, named: vec![Named::No; permissions.network.len()], permissions, open: false }
    }

    fn grants(asked: &str, repository: &str) -> Grants {
        Grants { layers: vec![layer(Origin::Asked, asked), layer(Origin::Repository, repository)] }
    }

    fn get<'a>(host: &'a str, path: &'a str) -> Destination<'a> {
        Destination { method: "GET", scheme: "https", host, port: 443, path }
    }

    #[test]
    fn nothing_is_granted_by_default() {
        let none = Grants::default();
        assert!(none.network(get("a", "/")).is_err());
        assert!(none.process("sh", &[]).is_err());
        assert!(none.variable("HOME").is_err());
        assert!(none.secret("TOKEN").is_err());
        assert!(none.files().is_empty());
        assert!(none.store(&StorePermission::of(super::super::Scope::Run, "a", Access::Read)).is_err());
        assert!(!ProcessGrant::default().inherits("HOME"));
    }

    #[test]
    fn every_layer_has_to_agree_and_the_first_that_does_not_is_named() {
        let both = grants(
            r#"{"network":[{"url":"https://*.a.b"}]}"#,
            r#"{"network":[{"url":"https://x.a.b","methods":["GET"],"path_prefix":"/v1"}]}"#,
        );
        assert!(both.network(get("x.a.b", "/v1/y")).is_ok());
        assert_eq!(both.network(get("y.a.b", "/v1")), Err(Origin::Repository));
        assert_eq!(both.network(get("x.a.b", "/v2")), Err(Origin::Repository));
        assert_eq!(both.network(Destination { method: "POST", ..get("x.a.b", "/v1") }), Err(Origin::Repository));
        assert_eq!(both.network(get("a.b", "/")), Err(Origin::Asked));
    }

    #[test]
    fn private_addresses_need_a_range_or_a_name() {
        let address: IpAddr = "10.1.2.3".parse().unwrap();
        let url = r#"{"network":[{"url":"https://a.b"}]}"#;
        let range = r#"{"network":[{"url":"https://a.b","private":["10.0.0.0/8"]}]}"#;
        let reach = |grants: &Grants| grants.network(get("a.b", "/")).unwrap().allow(address);
        let mut asked_by_name = grants(url, url);
        asked_by_name.layers[0].named[0] = Named::Config;
        assert!(reach(&asked_by_name), "the workflow names it");
        let mut by_variable = grants(url, url);
        by_variable.layers[0].named[0] = Named::Here;
        assert!(!reach(&by_variable), "a variable that the plugin chose is not the repository's word");
        by_variable.layers[1].named[0] = Named::Here;
        assert!(reach(&by_variable), "both name the variable");
        let mut by_policy = grants(url, url);
        by_policy.layers[0].named[0] = Named::No;
        assert!(!reach(&by_policy));
        let mut ranged = grants(url, range);
        ranged.layers[0].named[0] = Named::Here;
        assert!(reach(&ranged));
        assert!(reach(&grants(url, range)), "policy names the range, whoever named the host");
        assert!(reach(&grants(r#"{"network":[{"url":"*"}]}"#, range)));
        asked_by_name.layers.push(layer(Origin::Operator("o".into()), url));
        assert!(!reach(&asked_by_name), "the operator has to say so");
        asked_by_name.layers[2] = layer(Origin::Operator("o".into()), range);
        assert!(reach(&asked_by_name));
        let ranges = PrivateRanges(vec![(Origin::Repository, vec!["10.0.0.0/8".parse().unwrap()])]);
        assert!(ranges.allow("::ffff:10.0.0.1".parse().unwrap()), "a mapped address is the address");
        assert!(!ranges.allow("192.168.0.1".parse().unwrap()));
        assert!(PrivateRanges::any().allow(address) && !PrivateRanges::none().allow(address));
    }

    #[test]
    fn a_program_inherits_what_every_layer_lets_it() {
        let both = grants(
            r#"{"process":[{"program":"git","inherit_environment":true,"working_dir":"/"}]}"#,
            r#"{"process":[{"program":"git","args":["diff","**"],"environment":["HOME"]},{"program":"git","args":["log"],"environment":["X"]}]}"#,
        );
        let diff = both.process("git", &["diff".into(), "x".into()]).unwrap();
        assert!(diff.inherits("HOME") && !diff.inherits("X") && !diff.inherits_all());
        assert!(diff.inherits_by_name("HOME"));
        let pattern = ProcessPermission { environment: vec!["*".into()], ..ProcessPermission::default() };
        assert!(!ProcessGrant::of(pattern).inherits_by_name("TOKEN"));
        let dirs: Vec<_> = diff.dirs().map(|(_, dirs)| dirs).collect();
        assert_eq!(dirs, [vec![Some("/")], vec![None]]);
        assert_eq!(both.process("git", &["push".into()]), Err(Origin::Repository));
        assert_eq!(both.process("sh", &[]), Err(Origin::Asked));
    }

    #[test]
    fn a_policy_may_pin_the_file() {
        let both = grants(r#"{"process":[{"program":"tool"}]}"#, r#"{"process":[{"program":"./bin/tool"}]}"#);
        assert_eq!(both.process("tool", &[]).unwrap().pinned(), Some("./bin/tool"));
        assert!(both.process("./bin/tool", &[]).is_err(), "the type asks for a name");
        assert!(both.process("tools", &[]).is_err());
        let bounded = |operator: &str| {
            let mut grants = both.clone();
            grants.layers.push(layer(Origin::Operator("o".into()), operator));
            grants.process("tool", &[]).is_ok()
        };
        assert!(!bounded(r#"{"process":[{"program":"tool"}]}"#), "the operator has not allowed that file");
        assert!(!bounded(r#"{"process":[{"program":"/usr/bin/tool"}]}"#));
        assert!(bounded(r#"{"process":[{"program":"./bin/tool"}]}"#));
        assert!(bounded(r#"{"process":[{"program":"*"}]}"#));
    }

    #[test]
    fn directories_meet_in_the_inner_one() {
        let files = grants(
            r#"{"files":[{"path":"data","access":"read-write"},{"path":"src"}]}"#,
            r#"{"files":[{"path":"data/in"},{"path":"data/out","access":"read-write"},{"path":"data/out"}]}"#,
        );
        let expected = r#"[{"path":"data/in","access":"read"},{"path":"data/out","access":"read-write"}]"#;
        assert_eq!(serde_json::to_string(&files.files()).unwrap(), expected);
        let asked = FilePermission { path: "src".into(), access: Access::Read };
        assert_eq!(files.file(&asked), Err(Origin::Repository));
    }

    #[test]
    fn variables_and_secrets_are_apart() {
        let both =
            grants(r#"{"environment":["CI_*"],"secrets":["TOKEN"]}"#, r#"{"environment":["*"],"secrets":["TOKEN"]}"#);
        assert_eq!(both.variable("CI_JOB_ID"), Ok(()));
        assert_eq!(both.variable("TOKEN"), Err(Origin::Asked));
        assert_eq!(both.secret("TOKEN"), Ok(()));
        assert_eq!(both.secret("CI_JOB_ID"), Err(Origin::Asked));
    }

    #[test]
    fn keys_are_those_that_every_layer_has() {
        let mut grants = grants(
            r#"{"store":[{"scope":"*","keys":"deploy/*","access":"read-write"}]}"#,
            r#"{"store":[{"scope":"project","keys":"*","access":"read-write"}]}"#,
        );
        let may = |grants: &Grants, scope, keys: &str, access| grants.store(&StorePermission::of(scope, keys, access));
        use super::super::Scope::{Project, Run};
        assert_eq!(may(&grants, Project, "deploy/version", Access::ReadWrite), Ok(()));
        assert_eq!(may(&grants, Project, "deploy/*", Access::Read), Ok(()), "all of them");
        assert_eq!(may(&grants, Project, "other", Access::Read), Err(Origin::Asked));
        assert_eq!(may(&grants, Run, "deploy/version", Access::Read), Err(Origin::Repository));
        grants.layers.push(layer(Origin::Step, r#"{"store":[{"scope":"project","keys":"deploy/version"}]}"#));
        assert_eq!(may(&grants, Project, "deploy/version", Access::Read), Ok(()));
        assert_eq!(may(&grants, Project, "deploy/version", Access::ReadWrite), Err(Origin::Step));
        assert_eq!(may(&grants, Project, "deploy/*", Access::Read), Err(Origin::Step));
        let some = |keys: &str| grants.store_in_part(&StorePermission::of(Project, keys, Access::Read));
        assert_eq!((some("*"), some("deploy/*")), (Ok(()), Ok(())));
        assert_eq!(some("other*"), Err(Origin::Asked));
    }

    #[test]
    fn the_repository_sets_limits_and_others_lower_them() {
        let usual = Limits { memory_mib: Some(256), ..Limits::default() };
        let mut grants =
            grants(r#"{"limits":{"memory_mib":9000}}"#, r#"{"limits":{"memory_mib":512,"cpu_seconds":9}}"#);
        assert_eq!(grants.limits(&usual), Limits { memory_mib: Some(512), cpu_seconds: Some(9), ..usual });
        grants.layers.push(layer(Origin::Operator("o".into()), r#"{"limits":{"cpu_seconds":5}}"#));
        assert_eq!(grants.limits(&usual), Limits { memory_mib: Some(256), cpu_seconds: Some(5), ..usual });
        grants.layers.push(layer(Origin::Step, r#"{"limits":{"cpu_seconds":7,"memory_mib":16}}"#));
        assert_eq!(grants.limits(&usual), Limits { memory_mib: Some(16), cpu_seconds: Some(5), ..usual });
    }

    #[test]
    fn an_open_layer_allows_all_but_addresses_that_nobody_named() {
        let mut grants = grants(r#"{"network":[{"url":"*"}],"environment":["*"]}"#, "{}");
        grants.layers[1].open = true;
        assert!(!grants.network(get("a", "/")).unwrap().allow("10.0.0.1".parse().unwrap()));
        assert_eq!(grants.variable("X"), Ok(()));
        grants.layers[0].named[0] = Named::Config;
        assert!(grants.network(get("a", "/")).unwrap().allow("10.0.0.1".parse().unwrap()));
    }
}
