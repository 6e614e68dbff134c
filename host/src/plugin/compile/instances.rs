//! What the instances of a component take besides memories and tables: each has a place for every function, global and
//! element of its module. No limit of wasmtime counts that, and a module of five megabytes, instantiated sixty times, takes
//! a gigabyte. So it is counted before anything is compiled.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef, ElementItems,
    ElementSectionReader, Encoding, Instance, Parser, Payload, Result,
};

/// The most places that all instances may have together: each takes up to 32 bytes. CPython and SpiderMonkey need some
/// 30,000.
const PLACES: u64 = 1 << 20;
/// An attempt has at most so many core instances, whatever a component would make.
const INSTANCES: u64 = 64;

/// The limit, for people.
pub(super) const MIB: u64 = (PLACES * 32) >> 20;

/// Whether the instances of this component take too much. What is not a component is for its compiler to say.
pub(super) fn are_too_large(component: &[u8]) -> bool {
    places(component).is_ok_and(|places| places > PLACES)
}

/// What making one instance of something takes.
#[derive(Clone, Copy, Default)]
struct Cost {
    places: u64,
    /// Instances of modules that come from elsewhere: any of them may be the largest.
    unknown: u64,
}

impl Cost {
    fn add(&mut self, other: Option<&Self>) {
        // What a number beyond the known ones stands for, the compiler refuses.
        let other = other.copied().unwrap_or_default();
        self.places = self.places.saturating_add(other.places);
        self.unknown = self.unknown.saturating_add(other.unknown).min(INSTANCES);
    }
}

/// A component that is being read: what its numbers stand for, and what it takes so far.
#[derive(Default)]
struct Scope {
    modules: Vec<Cost>,
    components: Vec<Cost>,
    cost: Cost,
}

/// A module from elsewhere.
const SOME_MODULE: Cost = Cost { places: 0, unknown: 1 };
/// A component from elsewhere.
const SOME_COMPONENT: Cost = Cost { places: 0, unknown: INSTANCES };

impl Scope {
    /// Takes note of a section of the component.
    fn read(&mut self, payload: Payload<'_>) -> Result<()> {
        match payload {
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        self.cost.add(self.modules.get(module_index as usize));
                    }
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance? {
                        self.cost.add(self.components.get(component_index as usize));
                    }
                }
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    match import?.ty {
                        ComponentTypeRef::Module(_) => self.modules.push(SOME_MODULE),
                        ComponentTypeRef::Component(_) => self.components.push(SOME_COMPONENT),
                        _ => {}
                    }
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    match alias? {
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. }
                        | ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, .. } => {
                            self.modules.push(SOME_MODULE);
                        }
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. }
                        | ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, .. } => {
                            self.components.push(SOME_COMPONENT);
                        }
                        _ => {}
                    }
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    match export?.kind {
                        ComponentExternalKind::Module => self.modules.push(SOME_MODULE),
                        ComponentExternalKind::Component => self.components.push(SOME_COMPONENT),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn places(component: &[u8]) -> Result<u64> {
    let (mut scopes, mut module, mut largest) = (Vec::<Scope>::new(), None::<u64>, 0);
    for payload in Parser::new(0).parse_all(component) {
        match (payload?, &mut module) {
            (Payload::Version { encoding: Encoding::Component, .. }, _) => scopes.push(Scope::default()),
            (Payload::Version { encoding: Encoding::Module, .. }, _) => module = Some(0),
            (Payload::End(_), Some(places)) => {
                largest = largest.max(*places);
                if let Some(scope) = scopes.last_mut() {
                    scope.modules.push(Cost { places: *places, unknown: 0 });
                }
                module = None;
            }
            (Payload::End(_), None) => {
                let cost = scopes.pop().unwrap_or_default().cost;
                match scopes.last_mut() {
                    Some(around) => around.components.push(cost),
                    None => return Ok(cost.places.saturating_add(cost.unknown.saturating_mul(largest))),
                }
            }
            (payload, Some(places)) => *places = places.saturating_add(places_of(payload)?),
            (payload, None) => {
                if let Some(scope) = scopes.last_mut() {
                    scope.read(payload)?;
                }
            }
        }
    }
    Ok(0)
}

/// What a section of a module adds to each of its instances.
fn places_of(payload: Payload<'_>) -> Result<u64> {
    Ok(match payload {
        Payload::ImportSection(imports) => u64::from(imports.count()),
        Payload::FunctionSection(functions) => u64::from(functions.count()),
        Payload::GlobalSection(globals) => u64::from(globals.count()),
        Payload::DataSection(segments) => u64::from(segments.count()),
        Payload::ElementSection(segments) => elements(segments)?,
        _ => 0,
    })
}

fn elements(segments: ElementSectionReader<'_>) -> Result<u64> {
    let mut elements = 0;
    for segment in segments {
        elements += u64::from(match segment?.items {
            ElementItems::Functions(items) => items.count(),
            ElementItems::Expressions(_, items) => items.count(),
        });
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::builtin;

    fn places_in(text: &str) -> u64 {
        places(&wat::parse_str(format!("(component {text})")).unwrap()).unwrap()
    }

    /// 3 places: two functions and a global.
    const MODULE: &str = "(core module $m (func) (func) (global i32 (i32.const 0)))";
    const TWICE: &str = "(core instance (instantiate $m)) (core instance (instantiate $m))";

    #[test]
    fn each_instance_has_the_places_of_its_module() {
        assert_eq!(places_in(MODULE), 0, "no instance");
        assert_eq!(places_in(&format!("(core module) {MODULE} {TWICE}")), 6);
        let elements = "(core module $m (func $f) (table 1 funcref) (elem func $f $f $f))";
        assert_eq!(places_in(&format!("{elements} {TWICE}")), 8);
    }

    #[test]
    fn instances_of_components_count_too() {
        let inner = format!("(component $c {MODULE} {TWICE})");
        assert_eq!(places_in(&format!("{inner} (instance (instantiate $c)) (instance (instantiate $c))")), 12);
        let outer = "(component $c (alias outer 1 $m (core module $m)) (core instance (instantiate $m)))";
        let all = format!("{MODULE} {outer} (instance (instantiate $c)) (instance (instantiate $c))");
        assert_eq!(places_in(&all), 6);
        let import = "(component $c (import \"m\" (core module $m)) (core instance (instantiate $m)))";
        assert_eq!(
            places_in(&format!("{MODULE} {import} (instance (instantiate $c (with \"m\" (core module $m))))")),
            3
        );
    }

    #[test]
    fn what_is_built_in_is_far_below_the_limit() {
        for name in builtin::names() {
            let places = places(builtin::find(name).unwrap().wasm).unwrap();
            assert!((1..PLACES / 100).contains(&places), "{name}: {places}");
        }
    }
}
