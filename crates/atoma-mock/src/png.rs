//! Small PNG images: squares of one color.

/// The length of a side in pixels, whatever size a request asks for.
const SIDE: u32 = 16;
const DIRECTORY: &str = "/generated-images/";

/// The color of the image at `index` for a prompt.
pub(crate) fn color(prompt: &str, index: u64) -> u32 {
    let bytes = prompt.bytes().chain(index.to_le_bytes());
    bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
        >> 8
}

/// The path at which the server offers the square of a color.
pub(crate) fn path(color: u32) -> String {
    format!("{DIRECTORY}{color:06x}.png")
}

/// Draws the square that a path of [`path`] names.
pub(crate) fn of_path(path: &str) -> Option<Vec<u8>> {
    let name = path.split_once(DIRECTORY)?.1.strip_suffix(".png")?;
    let color = u32::from_str_radix(name, 16).ok().filter(|_| name.len() == 6)?;
    Some(square(color))
}

/// Draws a square of a color `0xRRGGBB`: true color, 8 bits, not compressed.
pub(crate) fn square(color: u32) -> Vec<u8> {
    let [_, red, green, blue] = color.to_be_bytes();
    // Each row begins with its filter: none.
    let row: Vec<u8> = std::iter::once(0)
        .chain([red, green, blue].into_iter().cycle().take(3 * SIDE as usize))
        .collect();
    let pixels = row.repeat(SIDE as usize);

    let mut header = Vec::from(SIDE.to_be_bytes());
    header.extend(SIDE.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut image = Vec::from(*b"\x89PNG\r\n\x1a\n");
    chunk(&mut image, b"IHDR", &header);
    chunk(&mut image, b"IDAT", &zlib(&pixels));
    chunk(&mut image, b"IEND", &[]);
    image
}

fn chunk(image: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    image.extend((data.len() as u32).to_be_bytes());
    let checked = [name, data].concat();
    image.extend(&checked);
    image.extend(crc32(&checked).to_be_bytes());
}

/// One stored block of at most 65,535 bytes in the zlib format.
fn zlib(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let mut stream = vec![0x78, 0x01, 1];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(data);
    stream.extend(adler32(data).to_be_bytes());
    stream
}

fn adler32(data: &[u8]) -> u32 {
    const PRIME: u32 = 65_521;
    let (low, high) = data.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % PRIME;
        (low, (high + low) % PRIME)
    });
    high << 16 | low
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_follow_the_standard_vectors() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn only_paths_of_images_lead_to_one() {
        let image = of_path(&path(0x00ff_0080)).unwrap();
        assert!(
            image.starts_with(b"\x89PNG\r\n\x1a\n") && image.ends_with(b"IEND\xae\x42\x60\x82")
        );
        assert!(of_path("/a/prefix/generated-images/000000.png").is_some());
        for path in ["/", "/generated-images/.png", "/generated-images/xyzxyz.png", "/000000.png"] {
            assert_eq!(of_path(path), None, "{path}");
        }
    }
}
