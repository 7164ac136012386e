//! Parts of a message made of files.

use super::content::ContentPart;
use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

/// Parts made from a file, whose type is found by its first bytes, or else by the extension of its
/// name.
///
/// Each reads the whole file. In an async program call them where blocking is allowed, or read the file yourself and use the
/// methods that take bytes.
impl ContentPart {
    /// Reads an image into a `data:` URL; see [`image_bytes`](Self::image_bytes).
    ///
    /// PNG, JPEG, GIF and WebP, which every server with vision takes, and BMP, TIFF, AVIF and HEIC, which some take.
    ///
    /// ```no_run
    /// use atoma_types::{ChatCompletionMessage, ContentPart};
    ///
    /// let message = ChatCompletionMessage::user("What is this?").part(ContentPart::image_file("cat.png")?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The file cannot be read, or its type is not known (`InvalidData`). The text names the file.
    pub fn image_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let (bytes, media_type) = read(path.as_ref(), "image/")?;
        Ok(Self::image_bytes(media_type, &bytes))
    }

    /// Reads audio; see [`audio_bytes`](Self::audio_bytes). WAV and MP3, which OpenAI takes, and FLAC, Ogg and M4A.
    ///
    /// # Errors
    ///
    /// As [`image_file`](Self::image_file).
    pub fn audio_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let (bytes, media_type) = read(path.as_ref(), "audio/")?;
        Ok(Self::audio_bytes(media_type.trim_start_matches("audio/"), &bytes))
    }

    /// Reads a video into a `data:` URL; see [`video_bytes`](Self::video_bytes). MP4, WebM, QuickTime and Matroska.
    ///
    /// # Errors
    ///
    /// As [`image_file`](Self::image_file).
    pub fn video_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let (bytes, media_type) = read(path.as_ref(), "video/")?;
        Ok(Self::video_bytes(media_type, &bytes))
    }

    /// Reads a file such as a PDF, which is sent with its name; see [`file_bytes`](Self::file_bytes).
    ///
    /// The type of an unknown file is `application/octet-stream`.
    ///
    /// # Errors
    ///
    /// The file cannot be read. The text names it.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let bytes = read_bytes(path)?;
        let media_type = media_type(path, &bytes, "").unwrap_or("application/octet-stream");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self::file_bytes(&name, media_type, &bytes))
    }
}

/// The bytes at the start of a file, from an offset, and the type that they show.
const BEGINNINGS: [(usize, &[u8], &str); 21] = [
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (8, b"WAVE", "audio/wav"),
    (0, b"ID3", "audio/mp3"),
    (0, b"\xff\xfb", "audio/mp3"),
    (0, b"\xff\xf3", "audio/mp3"),
    (0, b"\xff\xf2", "audio/mp3"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (4, b"ftypM4A", "audio/m4a"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"%PDF", "application/pdf"),
];

/// The endings of names, and their types.
const ENDINGS: [(&str, &str); 27] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("bmp", "image/bmp"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("avif", "image/avif"),
    ("heic", "image/heic"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("m4a", "audio/m4a"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
    ("mov", "video/quicktime"),
    ("mkv", "video/x-matroska"),
    ("pdf", "application/pdf"),
    ("json", "application/json"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("xml", "text/xml"),
];

fn read(path: &Path, family: &str) -> io::Result<(Vec<u8>, &'static str)> {
    let bytes = read_bytes(path)?;
    match media_type(path, &bytes, family) {
        Some(media_type) => Ok((bytes, media_type)),
        None => {
            let kind = family.trim_end_matches('/');
            Err(io::Error::new(
                ErrorKind::InvalidData,
                format!("{}: unknown type of {kind}", path.display()),
            ))
        }
    }
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    // The error of the system does not name the file.
    fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The type of a file, if it is of the family. The bytes count more than the name, which people get wrong.
fn media_type(path: &Path, bytes: &[u8], family: &str) -> Option<&'static str> {
    let begins = |(offset, beginning, _): &(usize, &[u8], &str)| {
        bytes.get(*offset..).is_some_and(|bytes| bytes.starts_with(beginning))
    };
    let is_of_family = |kind: &&str| kind.starts_with(family);
    let by_bytes =
        BEGINNINGS.iter().filter(|known| begins(known)).map(|known| known.2).find(is_of_family);
    let ending = path
        .extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let by_name =
        || ENDINGS.iter().filter(|known| known.0 == ending).map(|known| known.1).find(is_of_family);
    // The first bytes of Matroska are those of WebM.
    match by_bytes {
        Some("video/webm") => by_name().or(by_bytes),
        found => found.or_else(by_name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::to_value;

    fn saved<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
        let folder =
            std::env::temp_dir().join(format!("atoma-types-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let part = read(&path);
        fs::remove_dir_all(&folder).unwrap();
        part
    }

    #[test]
    fn the_type_is_found_by_the_bytes_or_else_by_the_name() {
        for (name, bytes, kind) in [
            ("a.png", &b"\x89PNG\r\n\x1a\n"[..], "image/png"),
            ("named-wrongly.png", b"\xff\xd8\xff\xe0", "image/jpeg"),
            ("no-ending", b"GIF89a", "image/gif"),
            ("a.webp", b"RIFF\0\0\0\0WEBP", "image/webp"),
            ("a.PNG", b"?", "image/png"),
        ] {
            let part = saved(name, bytes, |path| ContentPart::image_file(path)).unwrap();
            assert_eq!(part, ContentPart::image_bytes(kind, bytes), "{name}");
        }
        for (name, bytes, format) in
            [("a", &b"RIFF\0\0\0\0WAVE"[..], "wav"), ("b", b"ID3", "mp3"), ("c.flac", b"?", "flac")]
        {
            let part = saved(name, bytes, |path| ContentPart::audio_file(path)).unwrap();
            assert_eq!(part, ContentPart::audio_bytes(format, bytes), "{name}");
        }
        for (name, bytes, kind) in [
            ("a.mov", &b"\0\0\0\x18ftypqt  "[..], "video/quicktime"),
            ("a.mp4", b"\0\0\0\x18ftypisom", "video/mp4"),
            ("a.mkv", b"\x1a\x45\xdf\xa3", "video/x-matroska"),
            ("a", b"\x1a\x45\xdf\xa3", "video/webm"),
        ] {
            let part = saved(name, bytes, |path| ContentPart::video_file(path)).unwrap();
            assert_eq!(part, ContentPart::video_bytes(kind, bytes), "{name}");
        }
        for (name, bytes, kind) in [
            ("a", &b"%PDF-1.7"[..], "application/pdf"),
            ("b.md", b"#", "text/markdown"),
            ("c", b"", "application/octet-stream"),
        ] {
            let part = saved(name, bytes, |path| ContentPart::file(path)).unwrap();
            assert_eq!(
                to_value(part).unwrap(),
                to_value(ContentPart::file_bytes(name, kind, bytes)).unwrap()
            );
        }
    }

    #[test]
    fn an_error_names_the_file() {
        let error = ContentPart::image_file("/no/such/cat.png").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with("/no/such/cat.png: "), "{error}");
        let error = saved("a.txt", b"text", |path| ContentPart::image_file(path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().ends_with("a.txt: unknown type of image"), "{error}");
    }
}
