//! Components and compositions on disk: reading, linking, executing, and what is wrong with them.

mod examples;
mod forests;
mod linking;
mod mistakes;
mod running;
mod support;
