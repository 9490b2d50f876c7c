//! The files to lint.

use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest file that is read. A profile of more than 1.5 MiB does not fit into etcd.
const MAX_BYTES: u64 = 32 << 20;

/// The deepest folder that is searched.
const MAX_DEPTH: usize = 32;

/// How the standard input is written on the command line.
const STANDARD_INPUT: &str = "-";

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, as it was given or found.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// Files that were read, and why others could not be.
#[derive(Debug, Default)]
pub struct Sources {
    /// In the order in which they were named or found.
    pub read: Vec<Source>,
    /// The others.
    pub errors: Vec<SourceError>,
}

/// Why a file cannot be linted.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or folder cannot be read.
    #[error("cannot read {name}: {error}")]
    Unreadable {
        /// The file or folder.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// A file is longer than any profile.
    #[error("{name} holds more than {} MiB: name a file of manifests", MAX_BYTES >> 20)]
    TooLong {
        /// The file.
        name: String,
    },
    /// A folder is nested too deeply.
    #[error("{name} lies more than {MAX_DEPTH} folders deep: name a folder further down")]
    TooDeep {
        /// The folder.
        name: String,
    },
    /// A folder holds no manifest.
    #[error("{name} holds no file that ends in .yaml, .yml or .json")]
    NoFiles {
        /// The folder.
        name: String,
    },
}

/// Reads files; `-` is the standard input, and of a folder every manifest below it. One that cannot be read hides no other.
pub fn read(paths: &[PathBuf], stdin: &mut dyn Read) -> Sources {
    let mut sources = Sources::default();
    for path in paths {
        if path.as_os_str() == STANDARD_INPUT {
            sources.add(contents("<stdin>".to_owned(), stdin));
        } else if path.is_dir() {
            let mut files = Vec::new();
            if let Err(error) = manifests(path, 0, &mut files) {
                sources.errors.push(error);
            } else if files.is_empty() {
                sources
                    .errors
                    .push(SourceError::NoFiles { name: name(path) });
            }
            for file in files {
                sources.add(open(&file));
            }
        } else {
            sources.add(open(path));
        }
    }
    sources
}

impl Sources {
    fn add(&mut self, source: Result<Source, SourceError>) {
        match source {
            Ok(source) => self.read.push(source),
            Err(error) => self.errors.push(error),
        }
    }

    /// The files, if every one could be read.
    ///
    /// # Errors
    /// [`SourceErrors`] otherwise.
    pub fn all(self) -> Result<Vec<Source>, SourceErrors> {
        match self.errors.is_empty() {
            true => Ok(self.read),
            false => Err(SourceErrors(self.errors)),
        }
    }
}

/// All that could not be read, in one sentence.
#[derive(Debug)]
pub struct SourceErrors(pub Vec<SourceError>);

impl fmt::Display for SourceErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl Error for SourceErrors {}

fn open(path: &Path) -> Result<Source, SourceError> {
    let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
    contents(name(path), &mut file)
}

fn contents(name: String, reader: &mut dyn Read) -> Result<Source, SourceError> {
    let mut text = String::new();
    match reader.take(MAX_BYTES + 1).read_to_string(&mut text) {
        Err(error) => Err(SourceError::Unreadable { name, error }),
        Ok(_) if text.len() as u64 > MAX_BYTES => Err(SourceError::TooLong { name }),
        Ok(_) => Ok(Source { name, text }),
    }
}

/// Files in the order of their names, so that the output is the same everywhere. Links to folders are not followed, and
/// hidden folders are not searched.
fn manifests(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    if depth > MAX_DEPTH {
        return Err(SourceError::TooDeep { name: name(folder) });
    }
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
    let mut entries = entries
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(folder, error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry
            .file_type()
            .map_err(|error| unreadable(&path, error))?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if kind.is_dir() && !hidden {
            manifests(&path, depth + 1, files)?;
        } else if !path.is_dir() && is_manifest(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}

fn unreadable(path: &Path, error: io::Error) -> SourceError {
    SourceError::Unreadable {
        name: name(path),
        error,
    }
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_searched_for_manifests_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        for file in [
            "b.yaml",
            "a/z.yml",
            "a/y.json",
            "a/readme.md",
            ".hidden/c.yaml",
            "c.yaml.bak",
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, file).expect("a file");
        }
        let read = read(
            &[folder.path().to_owned(), "-".into()],
            &mut &b"from stdin"[..],
        );
        let read = read.all().expect("it is readable");
        let texts: Vec<_> = read.iter().map(|source| source.text.as_str()).collect();
        assert_eq!(texts, ["a/y.json", "a/z.yml", "b.yaml", "from stdin"]);
        assert_eq!(read[3].name, "<stdin>");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let missing = folder.path().join("missing.yaml");
        let message = |path: &Path| {
            read(&[path.to_owned()], &mut io::empty())
                .all()
                .expect_err("it fails")
                .to_string()
        };
        assert!(
            message(&missing)
                .starts_with(&format!("cannot read {}: No such file", missing.display()))
        );
        assert!(
            message(folder.path()).ends_with("holds no file that ends in .yaml, .yml or .json")
        );
        let bytes = folder.path().join("bytes.yaml");
        fs::write(&bytes, [0xff, 0xfe, 0x00]).expect("a file");
        assert!(message(&bytes).contains("UTF-8"), "{}", message(&bytes));
        let good = folder.path().join("good.yaml");
        fs::write(&good, "good").expect("a file");
        let sources = read(&[missing, folder.path().to_owned()], &mut io::empty());
        assert_eq!((sources.read.len(), sources.errors.len()), (1, 2));
        assert!(
            SourceErrors(sources.errors)
                .to_string()
                .contains("; cannot read ")
        );
    }

    #[test]
    fn a_file_longer_than_any_profile_is_refused() {
        let mut endless = io::repeat(b'#');
        let error = read(&["-".into()], &mut endless)
            .all()
            .expect_err("it has no end");
        assert_eq!(
            error.to_string(),
            "<stdin> holds more than 32 MiB: name a file of manifests"
        );
    }
}
