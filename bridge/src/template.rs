//! A chat template: the environment that transformers' apply_chat_template gives it, compiled once and rendered often.

use std::ffi::{c_char, c_void, CString};
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Tuple, Value, ValueKind};
use minijinja::{context, AutoEscape, Environment, Error, ErrorKind, Output, State};

use crate::failure::{exceeded, invalid, Failure, Raised};
use crate::large_stack::on_large_stack;
use crate::limits::{self, is_container, Meter};
use crate::{dialect, metering, methods, python};

pub struct Message<'a> {
    pub role: &'a str,
    pub content: &'a str,
}

pub struct Template {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

/// The time that strftime_now formats: a `struct tm` of the C library, lent for the call.
#[derive(Clone, Copy)]
pub struct Now(*const c_void);

// SAFETY: the caller lends the tm for the whole call, and it is only read.
unsafe impl Send for Now {}
unsafe impl Sync for Now {}

impl Now {
    pub fn from_tm(tm: *const c_void) -> Option<Now> {
        (!tm.is_null()).then_some(Now(tm))
    }
}

extern "C" {
    fn strftime(buffer: *mut c_char, size: usize, format: *const c_char, tm: *const c_void) -> usize;
}

impl Template {
    pub fn compile(source: &str, bos: &str, eos: &str) -> Result<Template, Failure> {
        if source.len() > limits::LONGEST_TEMPLATE {
            return Err(Failure::Limit(format!(
                "the template has {} bytes, more than {}",
                source.len(),
                limits::LONGEST_TEMPLATE
            )));
        }
        let source = dialect::plain(source);
        let environment = on_large_stack(|| {
            let mut environment = environment();
            environment.add_template_owned("chat", metering::rewrite(&source, jinja_syntax()?)?)?;
            Ok::<_, Error>(environment)
        })??;
        Ok(Template { environment, bos: bos.to_owned(), eos: eos.to_owned() })
    }

    pub fn render(
        &self,
        messages: &[Message],
        generation_prompt: bool,
        now: Option<Now>,
    ) -> Result<String, Failure> {
        let size: usize = messages.iter().map(|m| m.role.len() + m.content.len()).sum();
        if size > limits::LONGEST_CONVERSATION {
            return Err(Failure::Limit(format!(
                "the conversation has {size} bytes, more than {}",
                limits::LONGEST_CONVERSATION
            )));
        }
        on_large_stack(|| {
            // The values and the error live and die in here: releasing them may need the large stack too.
            let messages: Vec<Value> =
                messages.iter().map(|m| context! { role => m.role, content => m.content }).collect();
            let variables = context! {
                messages => messages,
                bos_token => self.bos.as_str(),
                eos_token => self.eos.as_str(),
                add_generation_prompt => generation_prompt,
                tools => (),
                documents => (),
                strftime_now => now.map_or(Value::UNDEFINED, strftime_now),
            };
            let mut prompt = Bounded(Vec::new());
            self.environment.get_template("chat")?.render_captured_to(variables, &mut prompt)?;
            String::from_utf8(prompt.0).map_err(|_| Failure::Wrong("the prompt is not UTF-8".into()))
        })?
    }
}

/// A growing text that stops at the longest prompt.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > limits::LONGEST_PROMPT {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "the prompt is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The syntax of transformers' environment.
fn jinja_syntax() -> Result<SyntaxConfig, Error> {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()
}

/// What a template of a model may call, and nothing else. The source it is given is metered and has its whitespace
/// resolved.
fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap_or_default());
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(limits::FUEL));
    env.set_recursion_limit(limits::RECURSION);
    env.set_formatter(write_value);
    env.set_unknown_method_callback(methods::call);
    for name in ["bool", "chain", "lines", "pprint", "split", "zip"] {
        env.remove_filter(name);
    }
    env.remove_global("debug");
    env.add_function("raise_exception", raise_exception);
    env.add_filter("tojson", python::tojson);
    env.add_filter("string", python::str);
    env.add_filter("trim", |state: &State, value: &Value, chars: Option<&str>| {
        methods::trim(state, value, chars)
    });
    env.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Undefined)
    });
    env.add_filter("__walk", |state: &State, value: Value| Meter::new(state).walk(&value).map(|()| value));
    env.add_filter("__scan", scan);
    env.add_filter("__few", few);
    env.add_filter("__list", list);
    env
}

/// The formatter: str(value).
fn write_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let written = match value.as_str() {
        Some(text) => out.write_str(text),
        None => out.write_str(&python::str(state, value)?),
    };
    written.map_err(|_| exceeded("the prompt is too long"))
}

fn raise_exception(state: &State, message: &Value) -> Result<Value, Error> {
    let message = python::str(state, message)?;
    Err(Error::new(ErrorKind::InvalidOperation, message).with_source(Raised))
}

fn strftime_now(now: Now) -> Value {
    Value::from_function(move |format: &str| -> Result<String, Error> {
        const LONGEST: usize = 256;
        let now = now;
        let mut buffer = [0u8; 4 * LONGEST];
        let c_format = CString::new(format).map_err(|_| invalid("strftime_now: the format has a NUL"))?;
        if format.len() > LONGEST || format.bytes().filter(u8::is_ascii_digit).count() > 2 {
            return Err(exceeded("strftime_now: the format is too long"));
        }
        // SAFETY: the buffer and its size agree, the format ends in NUL, and `now` is a tm lent for the call.
        let n = unsafe { strftime(buffer.as_mut_ptr().cast(), buffer.len(), c_format.as_ptr(), now.0) };
        Ok(String::from_utf8_lossy(&buffer[..n]).into_owned())
    })
}

/// The filter `__scan`: charges for a text only.
fn scan(state: &State, value: Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::String {
        Meter::new(state).walk(&value)?;
    }
    Ok(value)
}

/// The filter `__few`: refuses what is too large to be walked once for each value of a list.
fn few(value: Value) -> Result<Value, Error> {
    const MOST: usize = 64;
    let small = match value.kind() {
        ValueKind::String => value.as_str().map_or(0, str::len) <= 64 * MOST,
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            let items: Vec<Value> = value.try_iter()?.take(MOST + 1).collect();
            items.len() <= MOST && !items.iter().any(is_container)
        }
        _ => true,
    };
    if small {
        Ok(value)
    } else {
        Err(exceeded("an argument of a filter is too large"))
    }
}

/// The filter `__list`: makes a lazy sequence a list, so that lazy ones never nest.
fn list(state: &State, value: Value) -> Result<Value, Error> {
    let solid = || {
        value.downcast_object_ref::<Vec<Value>>().is_some() || value.downcast_object_ref::<Tuple>().is_some()
    };
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) || solid() {
        return Ok(value);
    }
    let mut items = Vec::new();
    for item in value.try_iter()? {
        state.consume_fuel(1)?;
        if item.kind() == ValueKind::Invalid {
            return Err(invalid("a list that cannot be read"));
        }
        items.push(item);
    }
    Ok(Value::from(items))
}
