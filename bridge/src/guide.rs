//! A text under way that has to be of a structure: which tokens may come next, by llguidance.

use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::Matcher;
use serde_json::{json, Value};

use crate::bounds;
use crate::failure::Failure;
use crate::large_stack::on_large_stack;
use crate::vocabulary::{Tokens, Vocabulary};

/// White space between the tokens of JSON. RFC 8259 allows any, and small models, once it is all that is allowed beside one
/// token, may go on with it for ever.
const JSON_SPACE: &str = r" |\n[ \t]{0,20}";

/// `pellucid_guide_kind`.
#[derive(Clone, Copy)]
pub enum Kind {
    JsonSchema,
    Regex,
    Choice,
    Grammar,
}

impl Kind {
    pub fn from_number(number: i32) -> Result<Kind, Failure> {
        match number {
            0 => Ok(Kind::JsonSchema),
            1 => Ok(Kind::Regex),
            2 => Ok(Kind::Choice),
            3 => Ok(Kind::Grammar),
            _ => Err(Failure::Wrong(format!("there is no kind {number} of guide"))),
        }
    }
}

#[derive(Clone)]
pub struct Guide {
    matcher: Matcher,
    tokens: Arc<Tokens>,
}

impl Guide {
    pub fn compile(vocabulary: &Vocabulary, kind: Kind, sources: &[&str]) -> Result<Guide, Failure> {
        bounds::check_length(sources, matches!(kind, Kind::Regex))?;
        let matcher = on_large_stack(|| {
            let grammar = grammar_of(kind, sources)?;
            let mut matcher = Matcher::new(vocabulary.factory.create_parser(grammar));
            let error = match matcher.get_error() {
                // The first mask finds what no text can satisfy.
                None => matcher.compute_mask_or_eos().err().map(|e| e.to_string()),
                error => error,
            };
            error.map_or(Ok(matcher), |error| Err(failure(in_source(kind, &error))))
        })??;
        Ok(Guide { matcher, tokens: vocabulary.tokens.clone() })
    }

    pub fn allowed(&mut self, words: &mut [u32]) -> Result<(), Failure> {
        if words.len() != self.tokens.count.div_ceil(32) {
            return Err(Failure::Wrong(format!("{} words are not the vocabulary's", words.len())));
        }
        let set = self.matcher.compute_mask_or_eos().map_err(|e| failure(&e.to_string()))?;
        let found = set.as_slice();
        let n = found.len().min(words.len());
        words[..n].copy_from_slice(&found[..n]);
        words[n..].fill(0);
        // A pattern of any bytes matches the names of tokens that are not text, too.
        let tokens = self.tokens.clone();
        for &id in &tokens.named {
            let (word, bit) = (id as usize / 32, 1 << (id % 32));
            if words[word] & bit != 0 && !tokens.end_ids.contains(&id) && !self.may_take(id)? {
                words[word] &= !bit;
            }
        }
        Ok(())
    }

    fn may_take(&mut self, token: u32) -> Result<bool, Failure> {
        self.matcher.validate_tokens(&[token]).map(|n| n == 1).map_err(|e| failure(&e.to_string()))
    }

    pub fn take(&mut self, token: u32) -> Result<(), Failure> {
        if token as usize >= self.tokens.count {
            return Err(Failure::Refuses("there is no such token".into()));
        }
        if self.ended() && !self.matcher.is_error() && self.tokens.end_ids.contains(&token) {
            return Ok(());
        }
        match self.matcher.try_consume_tokens(&[token]) {
            Ok(1) => Ok(()),
            Ok(_) => Err(Failure::Refuses("the text cannot go on with this token".into())),
            Err(e) => Err(failure(&e.to_string())),
        }
    }

    pub fn ended(&self) -> bool {
        self.matcher.is_stopped()
    }
}

fn grammar_of(kind: Kind, sources: &[&str]) -> Result<TopLevelGrammar, Failure> {
    let source = || match sources {
        [one] => Ok(*one),
        _ => Err(Failure::Wrong(format!("there are {} of them, not one", sources.len()))),
    };
    match kind {
        Kind::JsonSchema => json_schema(source()?).map(TopLevelGrammar::from_json_schema),
        Kind::Regex => regex(source()?).map(TopLevelGrammar::from_regex),
        Kind::Choice => Ok(TopLevelGrammar::from_lark(choice(sources)?)),
        Kind::Grammar => {
            bounds::check_grammar(source()?)?;
            Ok(TopLevelGrammar::from_lark(source()?.to_owned()))
        }
    }
}

fn json_schema(source: &str) -> Result<Value, Failure> {
    let mut schema: Value =
        serde_json::from_str(source).map_err(|e| failure(&format!("it is no JSON: {e}")))?;
    bounds::check_schema(&schema)?;
    match &mut schema {
        Value::Object(members) => {
            members.entry("x-guidance").or_insert_with(|| json!({"whitespace_pattern": JSON_SPACE}));
        }
        Value::Bool(true) => schema = json!({"x-guidance": {"whitespace_pattern": JSON_SPACE}}),
        _ => return Err(Failure::Wrong("it is neither an object nor true".into())),
    }
    Ok(schema)
}

/// The crate puts it between slashes, and leaves out a backslash at its end.
fn regex(source: &str) -> Result<&str, Failure> {
    let backslashes = source.bytes().rev().take_while(|&byte| byte == b'\\').count();
    if backslashes % 2 == 1 {
        return Err(Failure::Wrong("it ends in a backslash".into()));
    }
    Ok(source)
}

fn choice(choices: &[&str]) -> Result<String, Failure> {
    if choices.is_empty() {
        return Err(Failure::Wrong("there is nothing to choose".into()));
    }
    let literals: Vec<String> = choices.iter().map(|choice| Value::from(*choice).to_string()).collect();
    Ok(format!("start: CHOICE\nCHOICE: {}", literals.join("\n | ")))
}

/// llguidance tells its errors by their words alone, and shows the source below them.
fn failure(message: &str) -> Failure {
    let first = message.lines().next().unwrap_or(message).trim();
    if first.starts_with("panic") {
        return Failure::Limit("it asks for more than the library can compute".into());
    }
    if first == "NoExtensionBias" {
        return Failure::Wrong("no text of this model's tokens can satisfy it".into());
    }
    // An error of a pattern comes after the pattern; where it is, first of all.
    let line = match message.lines().find_map(|line| line.strip_prefix("error: ")) {
        Some(reason) => format!("{}{reason}", place(first)),
        None => first.to_owned(),
    };
    let lower = line.to_lowercase();
    let limit =
        ["limit", "too big", "too large", "too complex", "too deep", "exceeded", "too many", "max is"];
    if limit.iter().any(|word| lower.contains(word)) {
        Failure::Limit(line)
    } else {
        Failure::Wrong(line)
    }
}

/// Only a grammar is what llguidance saw: places in others are none of the caller's source.
fn in_source(kind: Kind, message: &str) -> &str {
    match kind {
        Kind::Grammar => message,
        _ => &message[place(message).len()..],
    }
}

/// The "at LINE(COLUMN): " that a message begins with, or nothing.
fn place(message: &str) -> &str {
    match message.find("): ") {
        Some(end) if message.starts_with("at ") => &message[..end + 3],
        _ => "",
    }
}
