//! Row images made by hand: values laid out as the server lays out a heap tuple (`heap_fill_tuple`),
//! for benches and tests that have no server.

/// One value to lay out.
#[derive(Debug, Clone)]
pub enum Datum {
    Null,
    /// The bytes of a type of fixed length.
    Fixed(Vec<u8>),
    /// The content of a varlena, which gets the shortest header that fits.
    Varlena(Vec<u8>),
}

/// The image of a row whose attributes have these lengths and alignments (as in `pg_type`).
pub fn image(attributes: &[(i16, char)], values: &[Datum]) -> Vec<u8> {
    let mut bitmap = vec![0u8; values.len().div_ceil(8)];
    let mut data = Vec::new();
    for (index, (value, &(length, align))) in values.iter().zip(attributes).enumerate() {
        let bytes = match value {
            Datum::Null => continue,
            Datum::Fixed(bytes) => {
                assert_eq!(i16::try_from(bytes.len()), Ok(length), "length of a fixed type");
                pad(&mut data, align);
                bytes
            }
            Datum::Varlena(bytes) if bytes.len() < 0x7F => {
                data.push(((bytes.len() as u8 + 1) << 1) | 1);
                bytes
            }
            Datum::Varlena(bytes) => {
                pad(&mut data, align);
                data.extend(((bytes.len() as u32 + 4) << 2).to_ne_bytes());
                bytes
            }
        };
        bitmap[index / 8] |= 1 << (index % 8);
        data.extend(bytes);
    }
    let nulls = values.iter().any(|value| matches!(value, Datum::Null));
    let mut image = (values.len() as u16 | if nulls { 0x8000 } else { 0 }).to_ne_bytes().to_vec();
    if nulls {
        image.extend(bitmap);
    }
    image.extend(data);
    image
}

fn pad(data: &mut Vec<u8>, align: char) {
    let to = match align {
        'd' => 8,
        'i' => 4,
        's' => 2,
        _ => 1,
    };
    data.resize(data.len().next_multiple_of(to), 0);
}
