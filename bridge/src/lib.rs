//! The C interface, `include/pellucid_bridge.h`: chat templates, and guides for structured output.

mod bounds;
mod charges;
mod dialect;
mod failure;
mod ffi;
mod ffi_guide;
mod ffi_template;
mod guide;
mod large_stack;
mod limits;
mod metering;
mod methods;
mod python;
mod template;
mod vocabulary;
