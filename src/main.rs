//! The program: picks the allocator and calls the library; knows no verb.

/// Many small allocations on many threads are what a proxy does; the system's allocator is slower at exactly that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    portcullis::cli::main()
}
