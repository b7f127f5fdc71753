//! The C interface, `include/pellucid_bridge.h`: pointers become slices, panics become statuses, and nothing else.

mod charges;
mod dialect;
mod failure;
mod limits;
mod metering;
mod methods;
mod python;
mod template;

use std::ffi::{c_char, c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::{ptr, slice, str};

use failure::Failure;
use template::{Message, Template};

/// `pellucid_view`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct View {
    data: *const c_char,
    size: usize,
}

/// `pellucid_text`.
#[repr(C)]
pub struct Text {
    data: *mut c_char,
    size: usize,
}

/// `pellucid_message`.
#[repr(C)]
pub struct ViewMessage {
    role: View,
    content: View,
}

impl View {
    /// SAFETY: `data` points at `size` readable bytes that outlive 'a, or `size` is 0.
    unsafe fn read<'a>(self, name: &str) -> Result<&'a str, Failure> {
        if self.size == 0 {
            return Ok("");
        }
        let bytes = slice::from_raw_parts(self.data.cast::<u8>(), self.size);
        str::from_utf8(bytes)
            .map_err(|e| Failure::NotUtf8(format!("{name} is not UTF-8 at byte {}", e.valid_up_to())))
    }
}

impl Text {
    fn own(text: String) -> Text {
        let bytes = text.into_bytes().into_boxed_slice();
        let size = bytes.len();
        Text { data: Box::into_raw(bytes).cast(), size }
    }
}

/// Runs `call`; an error or a panic is written to `text` and becomes the status.
fn guarded<T>(text: *mut Text, call: impl FnOnce() -> Result<T, Failure>) -> Result<T, c_int> {
    std::panic::set_hook(Box::new(|_| {}));
    let failure = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(failure)) => failure,
        Err(_) => Failure::panic(),
    };
    let status = failure.status();
    // SAFETY: the caller passes a valid `text`.
    unsafe { ptr::write(text, Text::own(failure.line())) };
    Err(status)
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn pellucid_template_compile(
    source: View,
    bos: View,
    eos: View,
    compiled: *mut *mut Template,
    error: *mut Text,
) -> c_int {
    let result = guarded(error, || {
        Template::compile(
            source.read("the template")?,
            bos.read("the bos token")?,
            eos.read("the eos token")?,
        )
    });
    match result {
        Ok(template) => {
            ptr::write(compiled, Box::into_raw(Box::new(template)));
            0
        }
        Err(status) => status,
    }
}

/// # Safety
/// As the header says.
#[no_mangle]
pub unsafe extern "C" fn pellucid_template_render(
    compiled: *const Template,
    messages: *const ViewMessage,
    n_messages: usize,
    add_generation_prompt: bool,
    now: *const c_void,
    text: *mut Text,
) -> c_int {
    let result = guarded(text, || {
        let views = if n_messages == 0 { &[] } else { slice::from_raw_parts(messages, n_messages) };
        let messages = views
            .iter()
            .map(|m| Ok(Message { role: m.role.read("a role")?, content: m.content.read("a message")? }))
            .collect::<Result<Vec<_>, Failure>>()?;
        let now = template::Now::from_tm(now);
        (*compiled).render(&messages, add_generation_prompt, now)
    });
    match result {
        Ok(prompt) => {
            ptr::write(text, Text::own(prompt));
            0
        }
        Err(status) => status,
    }
}

/// # Safety
/// `compiled` is null or comes from `pellucid_template_compile`, and is not used again.
#[no_mangle]
pub unsafe extern "C" fn pellucid_template_free(compiled: *mut Template) {
    if !compiled.is_null() {
        drop(Box::from_raw(compiled));
    }
}

/// # Safety
/// `text` comes from this library, and is not used again.
#[no_mangle]
pub unsafe extern "C" fn pellucid_text_free(text: Text) {
    if !text.data.is_null() {
        drop(Box::from_raw(ptr::slice_from_raw_parts_mut(text.data.cast::<u8>(), text.size)));
    }
}
