//! The `portreeve` program: arguments in, exit code out. Everything else is in the library.

fn main() -> std::process::ExitCode {
    portreeve::cli::main()
}
