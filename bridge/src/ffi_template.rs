//! The C interface of chat templates.

use std::ffi::{c_int, c_void};
use std::ptr;

use crate::failure::Failure;
use crate::ffi::{array, guarded, Text, View};
use crate::template::{self, Message, Template};

/// `pellucid_message`.
#[repr(C)]
pub struct ViewMessage {
    role: View,
    content: View,
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
        let messages = array(messages, n_messages)
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
