//! What the C interface is made of: pointers become slices, panics become statuses, texts change owners.

use std::ffi::{c_char, c_int};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::{ptr, slice, str};

use crate::failure::Failure;

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

impl View {
    /// SAFETY: `data` points at `size` readable bytes that outlive 'a, or `size` is 0.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        array(self.data.cast::<u8>(), self.size)
    }

    /// SAFETY: `data` points at `size` readable bytes that outlive 'a, or `size` is 0.
    pub unsafe fn read<'a>(self, name: &str) -> Result<&'a str, Failure> {
        str::from_utf8(self.bytes())
            .map_err(|e| Failure::NotUtf8(format!("{name} is not UTF-8 at byte {}", e.valid_up_to())))
    }
}

impl Text {
    pub fn own(text: String) -> Text {
        let bytes = text.into_bytes().into_boxed_slice();
        let size = bytes.len();
        Text { data: Box::into_raw(bytes).cast(), size }
    }
}

/// Runs `call`; an error or a panic is written to `text` and becomes the status.
pub fn guarded<T>(text: *mut Text, call: impl FnOnce() -> Result<T, Failure>) -> Result<T, c_int> {
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

/// SAFETY: `data` points at `size` values that outlive 'a, or `size` is 0.
pub unsafe fn array<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 {
        return &[];
    }
    slice::from_raw_parts(data, size)
}

/// # Safety
/// `text` comes from this library, and is not used again.
#[no_mangle]
pub unsafe extern "C" fn pellucid_text_free(text: Text) {
    if !text.data.is_null() {
        drop(Box::from_raw(ptr::slice_from_raw_parts_mut(text.data.cast::<u8>(), text.size)));
    }
}
