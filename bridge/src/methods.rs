//! Python's methods of texts, lists and maps, as templates call them: those that minijinja's pycompat lacks, or answers
//! otherwise than Python, are written here, and the rest goes there.

use minijinja::value::{from_args, Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat;

use crate::failure::{exceeded, invalid};
use crate::limits::{is_container, Meter};
use crate::python;

/// Most digits of a width in a format text.
const LONGEST_WIDTH: usize = 3;

/// The callback for a method that minijinja does not know.
pub fn call(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let state_ref: &State = state;
    let mut meter = Meter::new(state_ref);
    if value.kind() == ValueKind::String || method == "count" {
        meter.walk(value)?;
    }
    for arg in args {
        meter.walk(arg)?;
    }
    if let Some(text) = value.as_str() {
        if let Some(result) = text_method(state, text, method, args)? {
            return Ok(result);
        }
    }
    pycompat::unknown_method_callback(state, value, method, args)
}

/// The methods of texts where Python and pycompat differ, or None.
fn text_method(state: &State, text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let result = match method {
        "strip" => Value::from(strip(text, chars(args)?, true, true)),
        "lstrip" => Value::from(strip(text, chars(args)?, true, false)),
        "rstrip" => Value::from(strip(text, chars(args)?, false, true)),
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "split" | "rsplit" => split(text, method == "rsplit", args)?,
        "partition" | "rpartition" => partition(text, method == "rpartition", args)?,
        "splitlines" if args.is_empty() => lines(text),
        "title" if args.is_empty() => Value::from(title(text)),
        "isspace" if args.is_empty() => Value::from(!text.is_empty() && text.chars().all(is_space)),
        "join" => join(state, text, args)?,
        "format" => {
            check_format(text, args)?;
            return Ok(None);
        }
        _ => return Ok(None),
    };
    Ok(Some(result))
}

/// str.isspace() of one character: Unicode's white space and the four ASCII separators.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

fn chars(args: &[Value]) -> Result<Option<&str>, Error> {
    let (chars,): (Option<&str>,) = from_args(args)?;
    Ok(chars)
}

/// str.strip(), lstrip() and rstrip().
pub fn strip<'a>(text: &'a str, chars: Option<&str>, left: bool, right: bool) -> &'a str {
    let drop = |c: char| chars.map_or_else(|| is_space(c), |set| set.contains(c));
    let text = if left { text.trim_start_matches(drop) } else { text };
    if right {
        text.trim_end_matches(drop)
    } else {
        text
    }
}

/// str.title(): every run of letters begins with a capital and goes on without.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_lowercase() || c.is_uppercase();
    }
    out
}

/// str.split() and rsplit(), with a separator or at white space.
fn split(text: &str, from_right: bool, args: &[Value]) -> Result<Value, Error> {
    let (separator, most, named): (Option<&str>, Option<i64>, Kwargs) = from_args(args)?;
    let separator = separator.or(named.get("sep")?);
    let most = most.or(named.get("maxsplit")?);
    named.assert_all_used()?;
    let most = most.and_then(|n| usize::try_from(n).ok()).map_or(usize::MAX, |n| n.saturating_add(1));
    let mut parts: Vec<&str> = match separator {
        Some("") => return Err(invalid("empty separator")),
        Some(separator) if from_right => text.rsplitn(most, separator).collect(),
        Some(separator) => text.splitn(most, separator).collect(),
        None => words(text, from_right, most),
    };
    if from_right {
        parts.reverse();
    }
    Ok(parts.into_iter().map(Value::from).collect())
}

/// The words of `text`, at most `most` of them, the last one with all that is left; from the right, last word first.
fn words(text: &str, from_right: bool, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = strip(text, None, true, true);
    while !rest.is_empty() {
        let cut = if from_right { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(at) = cut.filter(|_| parts.len() + 1 < most) else {
            parts.push(rest);
            break;
        };
        let width = rest[at..].chars().next().map_or(1, char::len_utf8);
        let (head, tail) = (&rest[..at], &rest[at + width..]);
        parts.push(if from_right { tail } else { head });
        rest = if from_right { strip(head, None, false, true) } else { strip(tail, None, true, false) };
    }
    parts
}

fn partition(text: &str, from_right: bool, args: &[Value]) -> Result<Value, Error> {
    let (separator,): (&str,) = from_args(args)?;
    if separator.is_empty() {
        return Err(invalid("empty separator"));
    }
    let parts = if from_right { text.rsplit_once(separator) } else { text.split_once(separator) };
    let (head, found, tail) = match parts {
        Some((head, tail)) => (head, separator, tail),
        None if from_right => ("", "", text),
        None => (text, "", ""),
    };
    Ok([head, found, tail].into_iter().map(Value::from).collect())
}

/// str.splitlines(): the line ends of Python, which has more than \n.
fn lines(text: &str) -> Value {
    const ENDS: [char; 10] =
        ['\n', '\r', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e', '\u{85}', '\u{2028}', '\u{2029}'];
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(ENDS) {
        lines.push(Value::from(&rest[..at]));
        let end = &rest[at..];
        let width = if end.starts_with("\r\n") { 2 } else { end.chars().next().map_or(1, char::len_utf8) };
        rest = &end[width..];
    }
    if !rest.is_empty() {
        lines.push(Value::from(rest));
    }
    Value::from(lines)
}

/// str.join(), of texts only.
fn join(state: &State, separator: &str, args: &[Value]) -> Result<Value, Error> {
    let (items,): (&Value,) = from_args(args)?;
    let mut meter = Meter::new(state);
    let mut text = String::new();
    for (i, item) in items.try_iter()?.enumerate() {
        let Some(part) = item.as_str() else {
            return Err(invalid(format!("join: item {i} is not a text")));
        };
        let glue = if i > 0 { separator } else { "" };
        meter.bytes(glue.len() + part.len())?;
        text.push_str(glue);
        text.push_str(part);
    }
    Ok(Value::from(text))
}

/// Refuses widths that make a format text long, and values that have no short text.
fn check_format(text: &str, args: &[Value]) -> Result<(), Error> {
    let longest = text.split(|c: char| !c.is_numeric()).map(str::len).max().unwrap_or(0);
    if longest > LONGEST_WIDTH {
        return Err(exceeded("format: a width is too long"));
    }
    let nested = text.split('{').filter(|field| !field.is_empty() && !field.contains('}')).count() > 1;
    let mut plain = true;
    for arg in args {
        plain &= match arg.is_kwargs() {
            true => !Kwargs::try_from(arg.clone())?.args().any(|n| named_container(arg, n)),
            false => !is_container(arg),
        };
    }
    if nested || !plain {
        return Err(invalid("format: takes plain values and plain fields"));
    }
    Ok(())
}

fn named_container(kwargs: &Value, name: &str) -> bool {
    kwargs.get_attr(name).map_or(true, |value| is_container(&value))
}

/// The trim filter: str(value).strip(chars).
pub fn trim(state: &State, value: &Value, chars: Option<&str>) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(strip(text, chars, true, true).to_owned());
    }
    if value.kind() == ValueKind::Invalid {
        return Err(Error::from(ErrorKind::InvalidOperation));
    }
    Ok(strip(&python::str(state, value)?, chars, true, true).to_owned())
}
