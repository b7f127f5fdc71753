//! Values as Python writes them: str() for output, repr() inside containers, and json.dumps() for the tojson filter of
//! transformers' apply_chat_template. Every byte is metered.

use std::fmt::Write;

use minijinja::value::{Kwargs, Tuple, Value, ValueKind};
use minijinja::{Error, State};

use crate::failure::{exceeded, invalid};
use crate::limits::Meter;

/// Most spaces of one level of JSON indentation.
const WIDEST_INDENT: usize = 64;

/// str(value).
pub fn str(state: &State, value: &Value) -> Result<String, Error> {
    let mut writer = Writer::new(state);
    match value.kind() {
        ValueKind::Undefined => {}
        ValueKind::String => writer.push(value.as_str().unwrap_or(""))?,
        _ => writer.repr(value, 0)?,
    }
    Ok(writer.text)
}

/// The tojson filter: json.dumps(value, ensure_ascii, indent, separators, sort_keys) with transformers' defaults.
pub fn tojson(state: &State, value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let indent: Option<Value> = kwargs.get("indent")?;
    let separators: Option<Vec<String>> = kwargs.get("separators")?;
    let layout = Layout {
        ascii: kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort: kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        indent: indent.filter(|v| !v.is_none()).map(|v| indentation(&v)).transpose()?,
        separators: match separators.as_deref() {
            None => None,
            Some([item, key]) => Some((item.clone(), key.clone())),
            Some(_) => return Err(invalid("tojson: separators takes two texts")),
        },
    };
    kwargs.assert_all_used()?;
    let mut writer = Writer::new(state);
    writer.json(value, &layout, 0)?;
    Ok(writer.text)
}

/// How JSON is laid out.
struct Layout {
    ascii: bool,
    sort: bool,
    indent: Option<String>,
    separators: Option<(String, String)>,
}

impl Layout {
    fn between_items(&self) -> &str {
        match (&self.separators, &self.indent) {
            (Some((item, _)), _) => item,
            (None, Some(_)) => ",",
            (None, None) => ", ",
        }
    }

    fn after_key(&self) -> &str {
        self.separators.as_ref().map_or(": ", |(_, key)| key)
    }
}

/// The text of one level: `indent` is a number of spaces or the text itself.
fn indentation(indent: &Value) -> Result<String, Error> {
    let text = match indent.as_str() {
        Some(text) => text.to_owned(),
        None => {
            let n =
                i64::try_from(indent.clone()).map_err(|_| invalid("tojson: indent is a number or a text"))?;
            let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
            " ".repeat(n.min(WIDEST_INDENT + 1))
        }
    };
    if text.len() > WIDEST_INDENT {
        return Err(exceeded(format!("tojson: indent is wider than {WIDEST_INDENT}")));
    }
    Ok(text)
}

/// A growing text that charges for itself.
struct Writer<'s, 't, 'e> {
    text: String,
    meter: Meter<'s, 't, 'e>,
}

impl<'s, 't, 'e> Writer<'s, 't, 'e> {
    fn new(state: &'s State<'t, 'e>) -> Self {
        Writer { text: String::new(), meter: Meter::new(state) }
    }

    fn push(&mut self, text: &str) -> Result<(), Error> {
        self.meter.bytes(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    fn repr(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.meter.value(depth)?;
        match value.kind() {
            ValueKind::Undefined => self.push("Undefined"),
            ValueKind::None => self.push("None"),
            ValueKind::Bool => self.push(if value.is_true() { "True" } else { "False" }),
            ValueKind::Number => self.push(&number(value)),
            ValueKind::String => self.push(&quoted(value.as_str().unwrap_or(""))),
            ValueKind::Seq | ValueKind::Iterable => {
                let tuple = value.downcast_object_ref::<Tuple>().is_some();
                let (open, close) = if tuple { ("(", ")") } else { ("[", "]") };
                self.push(open)?;
                let mut n = 0;
                for item in value.try_iter()? {
                    if n > 0 {
                        self.push(", ")?;
                    }
                    self.repr(&item, depth + 1)?;
                    n += 1;
                }
                self.push(if tuple && n == 1 { ",)" } else { close })
            }
            ValueKind::Map => {
                self.push("{")?;
                for (i, key) in value.try_iter()?.enumerate() {
                    if i > 0 {
                        self.push(", ")?;
                    }
                    self.repr(&key, depth + 1)?;
                    self.push(": ")?;
                    self.repr(&value.get_item(&key)?, depth + 1)?;
                }
                self.push("}")
            }
            _ => self.push(&format!("<{}>", value.kind())),
        }
    }

    fn json(&mut self, value: &Value, layout: &Layout, depth: usize) -> Result<(), Error> {
        self.meter.value(depth)?;
        match value.kind() {
            ValueKind::None => self.push("null"),
            ValueKind::Bool => self.push(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.push(&json_number(value)),
            ValueKind::String => self.push(&json_string(value.as_str().unwrap_or(""), layout.ascii)),
            ValueKind::Seq => {
                let items = value.try_iter()?;
                self.json_items("[", "]", items, layout, depth, |writer, item| {
                    writer.json(&item, layout, depth + 1)
                })
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if layout.sort {
                    keys.sort();
                }
                self.json_items("{", "}", keys.into_iter(), layout, depth, |writer, key| {
                    let name = json_key(&key)?;
                    writer.push(&json_string(&name, layout.ascii))?;
                    writer.push(layout.after_key())?;
                    writer.json(&value.get_item(&key)?, layout, depth + 1)
                })
            }
            kind => Err(invalid(format!("tojson: a value of type {kind} has no JSON form"))),
        }
    }

    fn json_items(
        &mut self,
        open: &str,
        close: &str,
        items: impl Iterator<Item = Value>,
        layout: &Layout,
        depth: usize,
        mut write: impl FnMut(&mut Self, Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.push(open)?;
        let mut empty = true;
        for item in items {
            if !empty {
                self.push(layout.between_items())?;
            }
            empty = false;
            self.new_line(layout, depth + 1)?;
            write(self, item)?;
        }
        if !empty {
            self.new_line(layout, depth)?;
        }
        self.push(close)
    }

    fn new_line(&mut self, layout: &Layout, depth: usize) -> Result<(), Error> {
        if let Some(indent) = &layout.indent {
            self.push("\n")?;
            for _ in 0..depth {
                self.push(indent)?;
            }
        }
        Ok(())
    }
}

/// repr() of an int or a float.
fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let x = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    if x.is_nan() {
        return "nan".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let magnitude = x.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        // Rust writes 1e-7 where Python writes 1e-07, and 1e16 where Python writes 1e+16.
        let text = format!("{x:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{x:?}")
}

fn json_number(value: &Value) -> String {
    match number(value).as_str() {
        "nan" => "NaN".into(),
        "inf" => "Infinity".into(),
        "-inf" => "-Infinity".into(),
        text => text.to_owned(),
    }
}

fn json_key(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or("").to_owned()),
        ValueKind::None => Ok("null".into()),
        ValueKind::Bool => Ok(if key.is_true() { "true".into() } else { "false".into() }),
        ValueKind::Number => Ok(json_number(key)),
        kind => Err(invalid(format!("tojson: a key of type {kind}"))),
    }
}

/// repr() of a text: single quotes unless it holds some and no double ones.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c if c <= '\u{ff}' => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
        }
    }
    out.push(quote);
    out
}

/// str.isprintable() of one character, for the ranges that occur in text: controls, separators and format characters
/// are not.
fn is_printable(c: char) -> bool {
    c == ' '
        || !(c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
}

fn json_string(text: &str, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c if ascii && !(' '..='~').contains(&c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
