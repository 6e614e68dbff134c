//! Comments on a pull request, and reviews of its lines.
//! <https://docs.github.com/en/rest/pulls/reviews#create-a-review-for-a-pull-request>

use serde_json::{Map, Value, json};
use shiro_forge::api::Refusal;
use shiro_forge::comment::{self, Comment};
use shiro_forge::filled;
use shiro_forge::inline::{self, ChangedFile, Fate, Progress};
use shiro_forge::marker::{Marker, Posted};
use shiro_step::{Failure, context, log};

use crate::config::Settings;
use crate::output::Output;
use crate::pull;
use crate::service::Service;

/// `post_comment`.
pub(crate) fn post(github: &Service, settings: &Settings) -> Result<Output, Failure> {
    let body = settings.body.as_deref().unwrap_or_default();
    if body.trim().is_empty() {
        return Err(Failure::invalid_config("`body` is empty"));
    }
    let path = github.path(&format!("/issues/{}/comments", pull::number(github, settings)?));
    let marker = Marker::new(&[body], &context::idempotency_key());
    let there = bodies(&github.api.list(&path, &[])?);
    if Posted::of(there.iter().map(String::as_str)).has(&marker, settings.dedup.unwrap_or(false)) {
        return Ok(Output::done("the comment was there already"));
    }
    let comment = github.api.write("POST", &path, &json!({ "body": marker.mark(body) }))?;
    Ok(Output { created: true, ..Output::info("posted a comment", comment) })
}

/// `post_inline_comments`.
pub(crate) fn post_inline(github: &Service, settings: &Settings) -> Result<Output, Failure> {
    let comments = comment::read(settings.output_format, settings.body.as_deref(), settings.comments.as_ref())?;
    let mut progress = Progress::default();
    if comments.is_empty() {
        log::info("there are no comments to post");
        return Ok(Output::progress(&progress));
    }
    let number = pull::number(github, settings)?;
    let key = context::idempotency_key();
    let there = posted(github, number)?;
    let dedup = settings.dedup.unwrap_or(true);
    let (old, new): (Vec<&Comment>, Vec<&Comment>) =
        comments.iter().partition(|comment| there.has(&inline::marker(comment, &key), dedup));
    old.into_iter().for_each(|comment| progress.note(comment, Fate::Skipped));
    if new.is_empty() {
        return Ok(Output::progress(&progress));
    }
    let commit = match filled(settings.commit_id.as_deref()) {
        Some(commit) => commit.to_owned(),
        None => pull::head(github, number)?,
    };
    let files = pull::files(github, number)?;
    let review = Review { github, number, commit, key, heading: &settings.heading };
    let (placed, unplaced): (Vec<Placed<'_>>, Vec<&Comment>) = place(&files, new);
    match review.post(&placed, &unplaced) {
        Ok(info) => {
            placed.iter().for_each(|placed| progress.note(placed.comment, Fate::Posted));
            unplaced.iter().for_each(|comment| progress.note(comment, Fate::PostedWithoutLine));
            Ok(Output { url: Output::info("", info.clone()).url, info: Some(info), ..Output::progress(&progress) })
        }
        // One comment that GitHub does not take stops the whole review.
        Err(refusal) if refusal.is(&[422]) => {
            log::warn(format!(
                "GitHub does not take the review ({}): its comments are posted one by one",
                refusal.said
            ));
            let posted = review.one_by_one(&placed, &unplaced, &mut progress);
            posted.map(|()| Output::progress(&progress)).map_err(|refusal| {
                let so_far = Output { success: false, ..Output::progress(&progress) };
                Failure::from(refusal).output(&so_far)
            })
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// A comment that can stand at its line, and where.
struct Placed<'a> {
    comment: &'a Comment,
    place: Map<String, Value>,
}

/// Which comments can stand at their lines: GitHub takes those on lines that the diff shows.
fn place<'a>(files: &[ChangedFile], comments: Vec<&'a Comment>) -> (Vec<Placed<'a>>, Vec<&'a Comment>) {
    let mut placed = Vec::new();
    let mut unplaced = Vec::new();
    for comment in comments {
        let target = inline::locate(files, comment).filter(|target| target.place.shown);
        let Some(target) = target else {
            unplaced.push(comment);
            continue;
        };
        let (side, line) = match (target.place.new, target.place.old, comment.side) {
            // An unchanged line is shown on both sides: it is the one that the comment is about.
            (_, Some(old), comment::Side::Old) | (None, Some(old), _) => ("LEFT", old),
            (Some(new), ..) => ("RIGHT", new),
            (None, None, _) => {
                unplaced.push(comment);
                continue;
            }
        };
        let mut place = Map::new();
        place.insert("path".to_owned(), target.file.new_path.as_str().into());
        place.insert("side".to_owned(), side.into());
        place.insert("line".to_owned(), line.into());
        placed.push(Placed { comment, place });
    }
    (placed, unplaced)
}

/// What is said of a pull request's commit.
struct Review<'a> {
    github: &'a Service,
    number: u64,
    commit: String,
    key: String,
    heading: &'a str,
}

impl Review<'_> {
    /// All of it as one review.
    fn post(&self, placed: &[Placed<'_>], unplaced: &[&Comment]) -> Result<Value, Refusal> {
        let comments: Vec<Value> = placed.iter().map(|placed| self.at_its_line(placed)).collect();
        let body = json!({
            "commit_id": self.commit,
            "event": "COMMENT",
            "body": self.text(unplaced),
            "comments": comments
        });
        self.github.api.write("POST", &self.github.path(&format!("/pulls/{}/reviews", self.number)), &body)
    }

    fn at_its_line(&self, placed: &Placed<'_>) -> Value {
        let marked = inline::marker(placed.comment, &self.key).mark(&placed.comment.comment);
        let mut comment = placed.place.clone();
        comment.insert("body".to_owned(), marked.into());
        Value::Object(comment)
    }

    /// The review's own text, with what stands at no line. Each of these has its own mark, on a line of its own.
    fn text(&self, unplaced: &[&Comment]) -> String {
        let mut text = self.heading.to_owned();
        for comment in unplaced {
            text = format!("{text}\n\n{}", inline::marker(comment, &self.key).mark(&inline::with_place(comment)));
        }
        text
    }

    fn one_by_one(&self, placed: &[Placed<'_>], unplaced: &[&Comment], progress: &mut Progress) -> Result<(), Refusal> {
        let path = self.github.path(&format!("/pulls/{}/comments", self.number));
        for one in placed {
            let mut body = self.at_its_line(one);
            body["commit_id"] = self.commit.as_str().into();
            let fate = match self.github.api.write("POST", &path, &body) {
                Ok(_) => Fate::Posted,
                Err(refusal) if refusal.is(&[422]) => self.without_line(one.comment)?,
                Err(refusal) => return Err(refusal),
            };
            progress.note(one.comment, fate);
        }
        for comment in unplaced {
            let fate = self.without_line(comment)?;
            progress.note(comment, fate);
        }
        Ok(())
    }

    fn without_line(&self, comment: &Comment) -> Result<Fate, Refusal> {
        let text = inline::marker(comment, &self.key).mark(&inline::with_place(comment));
        let path = self.github.path(&format!("/issues/{}/comments", self.number));
        self.github.api.write("POST", &path, &json!({ "body": text }))?;
        Ok(Fate::PostedWithoutLine)
    }
}

/// What was posted before: at lines, in reviews, and below the pull request.
fn posted(github: &Service, number: u64) -> Result<Posted, Failure> {
    let mut texts = Vec::new();
    for path in
        [format!("/pulls/{number}/comments"), format!("/pulls/{number}/reviews"), format!("/issues/{number}/comments")]
    {
        texts.extend(bodies(&github.api.list(&github.path(&path), &[])?));
    }
    Ok(Posted::of(texts.iter().flat_map(|text| parts(text))))
}

fn bodies(items: &[Value]) -> Vec<String> {
    items.iter().filter_map(|item| item.get("body")?.as_str()).map(str::to_owned).collect()
}

/// A review's text up to each of its marks: several comments may stand in it.
fn parts(text: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        if Marker::of(line).is_some() {
            parts.push(&text[..end]);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use shiro_forge::comment::Side;
    use shiro_forge::diff::Patch;

    use super::*;

    fn comment(file: &str, line: u32, side: Side) -> Comment {
        Comment { file: file.into(), line, comment: format!("{file} {line}"), side }
    }

    #[test]
    fn comments_stand_where_github_shows_a_line() {
        let file = ChangedFile {
            old_path: "a".into(),
            new_path: "b".into(),
            patch: Some(Patch::parse("@@ -1,2 +1,2 @@\n-x\n+y\n z\n")),
            ..ChangedFile::default()
        };
        let comments = [
            comment("b", 1, Side::New),
            comment("b", 1, Side::Old),
            comment("b", 2, Side::New),
            comment("b", 2, Side::Old),
            comment("b", 9, Side::New),
            comment("c", 1, Side::New),
        ];
        let (placed, unplaced) = place(&[file], comments.iter().collect());
        let shown: Vec<_> = placed.iter().map(|placed| Value::Object(placed.place.clone())).collect();
        assert_eq!(
            shown,
            [
                json!({ "path": "b", "side": "RIGHT", "line": 1 }),
                json!({ "path": "b", "side": "LEFT", "line": 1 }),
                json!({ "path": "b", "side": "RIGHT", "line": 2 }),
                json!({ "path": "b", "side": "LEFT", "line": 2 }),
            ]
        );
        assert_eq!(unplaced.len(), 2);
    }

    #[test]
    fn each_comment_in_a_review_s_text_is_found_again() {
        let comments = [comment("a", 1, Side::New), comment("b", 2, Side::New)];
        let marked: Vec<String> =
            comments.iter().map(|one| inline::marker(one, "k").mark(&inline::with_place(one))).collect();
        let text = format!("Heading\n\n{}", marked.join("\n\n"));
        let posted = Posted::of(parts(&text));
        assert!(comments.iter().all(|one| posted.has(&inline::marker(one, "k"), false)));
        assert!(!posted.has(&inline::marker(&comment("a", 2, Side::New), "k"), true));
        assert!(parts("nothing\nhere").is_empty());
    }
}
