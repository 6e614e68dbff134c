//! Where a line of a file stands in a unified diff.

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Same,
    Added,
    Removed,
}

/// A line in both versions of a file, as far as it is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number before the change; none for an added line.
    pub old: Option<u32>,
    /// Its number after the change; none for a removed line.
    pub new: Option<u32>,
    /// The diff shows it.
    pub shown: bool,
}

/// One file's changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    hunks: Vec<Hunk>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hunk {
    old: u32,
    new: u32,
    lines: Vec<Kind>,
}

impl Patch {
    /// Reads the hunks of a patch. What stands before the first and between them is passed over; a hunk ends where its head
    /// says, so that no text in it can pass for a head.
    pub fn parse(text: &str) -> Self {
        let mut hunks = Vec::new();
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let Some((old, mut old_left, new, mut new_left)) = head(line) else { continue };
            let mut kinds = Vec::new();
            while old_left > 0 || new_left > 0 {
                let Some(line) = lines.next() else { break };
                let kind = match line.bytes().next() {
                    Some(b'+') => Kind::Added,
                    Some(b'-') => Kind::Removed,
                    // "No newline at end of file" is about the line before.
                    Some(b'\\') => continue,
                    _ => Kind::Same,
                };
                old_left = old_left.saturating_sub(u32::from(kind != Kind::Added));
                new_left = new_left.saturating_sub(u32::from(kind != Kind::Removed));
                kinds.push(kind);
            }
            hunks.push(Hunk { old, new, lines: kinds });
        }
        Self { hunks }
    }

    /// There is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.hunks.is_empty()
    }

    /// Where a line of the new version stands.
    pub fn of_new(&self, line: u32) -> Option<Place> {
        self.find(line, |place| place.new)
    }

    /// Where a line of the old version stands.
    pub fn of_old(&self, line: u32) -> Option<Place> {
        self.find(line, |place| place.old)
    }

    fn find(&self, line: u32, number: impl Fn(&Place) -> Option<u32>) -> Option<Place> {
        if line == 0 {
            return None;
        }
        // Where both versions go on after the last hunk before the line.
        let (mut old, mut new) = (1, 1);
        for hunk in &self.hunks {
            let start = Place { old: Some(hunk.old), new: Some(hunk.new), shown: true };
            if number(&start).is_some_and(|start| line < start) {
                break;
            }
            (old, new) = (hunk.old, hunk.new);
            for kind in &hunk.lines {
                let place = Place {
                    old: (*kind != Kind::Added).then_some(old),
                    new: (*kind != Kind::Removed).then_some(new),
                    shown: true,
                };
                if number(&place) == Some(line) {
                    return Some(place);
                }
                old += u32::from(*kind != Kind::Added);
                new += u32::from(*kind != Kind::Removed);
            }
        }
        // Between hunks nothing changed: both versions go on side by side.
        let from = number(&Place { old: Some(old), new: Some(new), shown: false })?;
        let further = line.checked_sub(from)?;
        Some(Place { old: Some(old + further), new: Some(new + further), shown: false })
    }
}

/// `@@ -1,2 +3,4 @@`: where a hunk begins in both versions, and how many lines it has. A missing count is 1; a hunk without
/// lines on one side says the line before it.
fn head(line: &str) -> Option<(u32, u32, u32, u32)> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        let (start, count): (u32, u32) = (start.parse().ok()?, count.parse().ok()?);
        // More lines than any diff has would only cost memory.
        (count < 10_000_000 && start < 1_000_000_000).then_some((start + u32::from(count == 0), count))
    };
    let ((old, old_count), (new, new_count)) = (range(old)?, range(new)?);
    Some((old, old_count, new, new_count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "--- a/x\n+++ b/x\n@@ -3,4 +3,5 @@ fn main() {\n three\n-four\n+FOUR\n+more\n five\n six\n@@ -20,2 +21 @@\n-twenty\n twenty-one\n\\ No newline at end of file\n";

    fn place(old: impl Into<Option<u32>>, new: impl Into<Option<u32>>, shown: bool) -> Option<Place> {
        Some(Place { old: old.into(), new: new.into(), shown })
    }

    #[test]
    fn lines_in_a_hunk_have_the_numbers_of_their_sides() {
        let patch = Patch::parse(PATCH);
        assert_eq!(patch.of_new(3), place(3, 3, true));
        assert_eq!(patch.of_new(4), place(None, 4, true), "added");
        assert_eq!(patch.of_new(5), place(None, 5, true), "added");
        assert_eq!(patch.of_new(6), place(5, 6, true), "unchanged, moved");
        assert_eq!(patch.of_old(4), place(4, None, true), "removed");
        assert_eq!(patch.of_old(20), place(20, None, true));
        assert_eq!(patch.of_new(21), place(21, 21, true));
    }

    #[test]
    fn lines_between_hunks_are_unchanged() {
        let patch = Patch::parse(PATCH);
        assert_eq!(patch.of_new(1), place(1, 1, false));
        assert_eq!(patch.of_new(10), place(9, 10, false));
        assert_eq!(patch.of_old(10), place(10, 11, false));
        assert_eq!(patch.of_new(30), place(30, 30, false));
        assert_eq!(patch.of_new(0), None);
    }

    #[test]
    fn text_in_a_hunk_is_no_head() {
        let patch = Patch::parse("@@ -1,2 +1,3 @@\n @@ -90,1 +90,1 @@\n+@@ -50 +50 @@\n\n");
        assert_eq!(patch.of_new(2), place(None, 2, true));
        assert_eq!(patch.of_new(3), place(2, 3, true));
        assert_eq!(patch.of_new(50), place(49, 50, false));
    }

    #[test]
    fn new_and_deleted_files_have_one_side() {
        let new = Patch::parse("@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(new.of_new(2), place(None, 2, true));
        let deleted = Patch::parse("@@ -1,2 +0,0 @@\n-a\n-b\n");
        assert_eq!(deleted.of_old(1), place(1, None, true));
        let grown = Patch::parse("@@ -5,0 +6,2 @@\n+a\n+b\n");
        assert_eq!(grown.of_new(6), place(None, 6, true));
        assert_eq!(grown.of_new(8), place(6, 8, false));
        assert_eq!(grown.of_new(5), place(5, 5, false));
    }

    #[test]
    fn what_is_no_patch_has_no_hunks() {
        for text in ["", "Binary files differ", "@@ -x +y @@", "@@ -1,99999999 +1 @@\n+a", "@@"] {
            assert!(Patch::parse(text).is_empty(), "{text}");
        }
        let cut = Patch::parse("@@ -1,5 +1,5 @@\n a\n-b");
        assert_eq!(cut.of_old(2), place(2, None, true));
    }
}
