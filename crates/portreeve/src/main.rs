//! The `portreeve` program: arguments in, exit code out. Everything else is in the library.

/// A call asks for memory about a hundred times; the system's allocator took a fifth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    portreeve::cli::main()
}
