//! Why the system refused a file, in words for the person who named it.

use std::io::{self, ErrorKind};

/// The cause without the system's numbers.
pub(crate) fn why(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "it is a directory".to_owned(),
        ErrorKind::NotADirectory => "a part of its path is no directory".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "the disk is read-only".to_owned(),
        ErrorKind::StorageFull => "the disk is full".to_owned(),
        _ => {
            let text = error.to_string();
            let cut = text.find(" (os error ").unwrap_or(text.len());
            text.get(..cut).unwrap_or_default().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_words_and_no_numbers() {
        let missing = std::fs::read("/nowhere/at/all").expect_err("nothing is there");
        assert_eq!(why(&missing), "no such file or directory");
        let folder = std::fs::read("/").expect_err("a directory");
        assert_eq!(why(&folder), "it is a directory");
        let busy = io::Error::from_raw_os_error(rustix::io::Errno::BUSY.raw_os_error());
        assert!(busy.to_string().contains("os error"));
        assert!(!why(&busy).contains("os error") && !why(&busy).is_empty());
        assert_eq!(why(&io::Error::other("odd")), "odd");
    }
}
