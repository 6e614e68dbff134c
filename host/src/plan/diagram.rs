//! A plan as a picture: text for Mermaid, which GitLab and GitHub show in Markdown, or for Graphviz.

use std::fmt::Write as _;

use super::{Group, Plan, StepIndex};
use crate::workflow::fan_out::Kind;

/// What a picture is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagram {
    /// Mermaid's flowchart.
    Mermaid,
    /// Graphviz's DOT.
    Dot,
}

impl Plan {
    /// The graph: a box for each step, in file order, and an arrow from what comes before to what comes after. Steps that
    /// wait for approval have six corners; arrows to steps that a condition may skip are dotted. The steps of `finally` stand
    /// in a frame of their own, and so do those of a workflow that runs as a step.
    pub fn diagram(&self, language: Diagram) -> String {
        let mut text = match language {
            Diagram::Mermaid => "flowchart TD\n".to_owned(),
            Diagram::Dot => "digraph workflow {\n  node [shape=box];\n".to_owned(),
        };
        let mut members: Vec<Vec<StepIndex>> = vec![Vec::new(); self.groups().count()];
        self.steps().for_each(|step| members[self.group(step).get()].push(step));
        self.nodes(&members, Group::OUTERMOST, language, &mut text);
        for step in self.steps() {
            for &before in self.dependencies(step) {
                self.edge(before, step, language, &mut text);
            }
        }
        if language == Diagram::Dot {
            text.push_str("}\n");
        }
        text
    }

    /// The steps of a workflow, with a frame around those of `finally`, and around each workflow that runs as a step.
    fn nodes(&self, members: &[Vec<StepIndex>], group: Group, language: Diagram, text: &mut String) {
        let (finally, steps): (Vec<_>, Vec<_>) =
            members[group.get()].iter().copied().partition(|step| self.is_finally(*step));
        let all = |steps: Vec<StepIndex>, text: &mut String| {
            for step in steps {
                match self.begins(step) {
                    Some(inner) => frame(&format!("w{}", step.get()), self.step(step).name(), language, text, |text| {
                        self.node(step, language, text);
                        self.nodes(members, inner, language, text);
                    }),
                    None => self.node(step, language, text),
                }
            }
        };
        all(steps, text);
        if !finally.is_empty() {
            let name = match self.subworkflow(group) {
                None => "finally".to_owned(),
                Some(_) => format!("finally{}", group.get()),
            };
            frame(&name, "finally", language, text, |text| all(finally, text));
        }
    }

    fn node(&self, index: StepIndex, language: Diagram, text: &mut String) {
        let step = self.step(index);
        let waits = step.approval.is_some();
        // Ids and types are made of characters that neither language has a use for; numbers are no words of theirs.
        let of_items = match step.fan_out.as_ref().map(|fan_out| fan_out.kind) {
            Some(Kind::Foreach) => ", for each item",
            Some(Kind::Matrix) => ", for each of a matrix",
            None => "",
        };
        let (number, kind) = (index.get(), format!("{}{of_items}", step.step_type));
        let id = match self.begins(index) {
            Some(_) => "begin",
            None => step.id.as_str(),
        };
        // Writing to a string can't fail.
        let _ = match (language, waits) {
            (Diagram::Mermaid, false) => writeln!(text, "  s{number}[\"{id}<br>{kind}\"]"),
            (Diagram::Mermaid, true) => writeln!(text, "  s{number}{{{{\"{id}<br>{kind}, then approval\"}}}}"),
            (Diagram::Dot, false) => writeln!(text, "  s{number} [label=\"{id}\\n{kind}\"];"),
            (Diagram::Dot, true) => {
                writeln!(text, "  s{number} [shape=hexagon, label=\"{id}\\n{kind}, then approval\"];")
            }
        };
    }

    fn edge(&self, from: StepIndex, to: StepIndex, language: Diagram, text: &mut String) {
        let (from, conditional, to) = (from.get(), self.step(to).condition.is_some(), to.get());
        let _ = match (language, conditional) {
            (Diagram::Mermaid, false) => writeln!(text, "  s{from} --> s{to}"),
            (Diagram::Mermaid, true) => writeln!(text, "  s{from} -.-> s{to}"),
            (Diagram::Dot, false) => writeln!(text, "  s{from} -> s{to};"),
            (Diagram::Dot, true) => writeln!(text, "  s{from} -> s{to} [style=dotted];"),
        };
    }
}

/// A frame with a title around what `inside` writes.
fn frame(name: &str, title: &str, language: Diagram, text: &mut String, inside: impl FnOnce(&mut String)) {
    text.push_str(&match language {
        Diagram::Mermaid if name == title => format!("  subgraph {name}\n"),
        Diagram::Mermaid => format!("  subgraph {name}[\"{title}\"]\n"),
        Diagram::Dot => format!("  subgraph cluster_{name} {{\n  label=\"{title}\";\n"),
    });
    inside(text);
    text.push_str(match language {
        Diagram::Mermaid => "  end\n",
        Diagram::Dot => "  }\n",
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workflow::{Source, parse};

    fn plan() -> Plan {
        let text = json!({ "name": "w", "steps": [
            { "id": "end", "type": "print", "depends_on": ["ask", "build"] },
            { "id": "build", "type": "shell" },
            { "id": "ask", "type": "slack.notify", "pause": true, "depends_on": ["build"], "if": "env.X != ''" }
        ] });
        let (workflow, problems) = parse(&Source::from_text("w.json", text.to_string()));
        assert!(problems.is_empty(), "{problems:?}");
        Plan::build(workflow.expect("a workflow")).expect("a plan")
    }

    #[test]
    fn the_steps_of_finally_stand_in_a_frame() {
        let text = json!({ "name": "w", "steps": [{ "id": "a", "type": "print" }], "finally": [
            { "id": "tell", "type": "print" }, { "id": "then", "type": "print", "depends_on": ["tell"] }
        ] });
        let (workflow, _) = parse(&Source::from_text("w.json", text.to_string()));
        let plan = Plan::build(workflow.expect("a workflow")).expect("a plan");
        assert_eq!(
            plan.diagram(Diagram::Mermaid),
            "flowchart TD\n  s0[\"a<br>print\"]\n  subgraph finally\n  s1[\"tell<br>print\"]\n  s2[\"then<br>print\"]\n  \
             end\n  s1 -.-> s2\n"
        );
        let dot = plan.diagram(Diagram::Dot);
        assert!(dot.contains("  subgraph cluster_finally {\n  label=\"finally\";\n  s1 [label="), "{dot}");
        assert!(dot.ends_with("  }\n  s1 -> s2 [style=dotted];\n}\n"), "{dot}");
    }

    #[test]
    fn mermaid_shows_steps_gates_and_conditions() {
        assert_eq!(
            plan().diagram(Diagram::Mermaid),
            "flowchart TD\n  s0[\"end<br>print\"]\n  s1[\"build<br>shell\"]\n  \
             s2{{\"ask<br>slack.notify, then approval\"}}\n  s1 --> s0\n  s2 --> s0\n  s1 -.-> s2\n"
        );
    }

    #[test]
    fn steps_that_run_for_each_item_say_so() {
        let text = json!({ "name": "w", "steps": [
            { "id": "a", "type": "print", "foreach": [1] },
            { "id": "b", "type": "print", "matrix": { "os": [1] }, "pause": true }
        ] });
        let (workflow, _) = parse(&Source::from_text("w.json", text.to_string()));
        let picture = Plan::build(workflow.expect("a workflow")).expect("a plan").diagram(Diagram::Dot);
        assert!(picture.contains("\"a\\nprint, for each item\""), "{picture}");
        assert!(picture.contains("\"b\\nprint, for each of a matrix, then approval\""), "{picture}");
    }

    #[test]
    fn dot_shows_the_same() {
        assert_eq!(
            plan().diagram(Diagram::Dot),
            "digraph workflow {\n  node [shape=box];\n  s0 [label=\"end\\nprint\"];\n  s1 [label=\"build\\nshell\"];\n  \
             s2 [shape=hexagon, label=\"ask\\nslack.notify, then approval\"];\n  s1 -> s0;\n  s2 -> s0;\n  \
             s1 -> s2 [style=dotted];\n}\n"
        );
    }
}
