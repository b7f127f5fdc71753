//! What can go wrong, as the one line and the status that cross the C interface.

use std::error::Error as StdError;
use std::ffi::c_int;
use std::fmt;

use minijinja::{Error, ErrorKind};

/// Longest line that is handed out, in characters: the text of raise_exception is the template's.
const LONGEST_LINE: usize = 400;

pub enum Failure {
    Wrong(String),
    Refuses(String),
    Limit(String),
    NotUtf8(String),
}

impl Failure {
    pub fn panic() -> Failure {
        Failure::Limit("it made its interpreter fail".into())
    }

    /// `pellucid_status`.
    pub fn status(&self) -> c_int {
        match self {
            Failure::Wrong(_) => 1,
            Failure::Refuses(_) => 2,
            Failure::Limit(_) => 3,
            Failure::NotUtf8(_) => 4,
        }
    }

    pub fn line(&self) -> String {
        let (Failure::Wrong(text) | Failure::Refuses(text) | Failure::Limit(text) | Failure::NotUtf8(text)) =
            self;
        text.chars().take(LONGEST_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// The source of an error that raise_exception made.
#[derive(Debug)]
pub struct Raised;

/// The source of an error that one of our own limits made.
#[derive(Debug)]
pub struct Exceeded;

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("raise_exception")
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("limit")
    }
}

impl StdError for Raised {}
impl StdError for Exceeded {}

/// An error that says which of our limits was reached.
pub fn exceeded(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into()).with_source(Exceeded)
}

/// An error of a template, or of one of our functions that a template called.
pub fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let mut line = error.line();
        let mut detail = None;
        let (mut raised, mut limit) = (false, false);
        let mut next: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(cause) = next {
            next = cause.source();
            raised |= cause.is::<Raised>();
            limit |= cause.is::<Exceeded>();
            if let Some(inner) = cause.downcast_ref::<Error>() {
                limit |= matches!(inner.kind(), ErrorKind::OutOfFuel | ErrorKind::WriteFailure)
                    || inner.detail().is_some_and(|d| d.contains("recursion limit"));
                detail = inner.detail().map(str::to_owned).or_else(|| Some(inner.kind().to_string()));
                line = line.or(inner.line());
            }
        }
        let why = detail.unwrap_or_else(|| error.kind().to_string());
        let text = match line {
            Some(line) => format!("line {line}: {why}"),
            None => why,
        };
        match (raised, limit) {
            (true, _) => Failure::Refuses(text),
            (_, true) => Failure::Limit(text),
            _ => Failure::Wrong(text),
        }
    }
}
