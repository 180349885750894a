//! The data types of SSH (RFC 4251, 5), written and read.

/// Builds a message.
#[derive(Clone, Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    pub fn flag(&mut self, flag: bool) -> &mut Self {
        self.byte(flag.into())
    }

    pub fn number(&mut self, number: u32) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub fn long(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub fn string(&mut self, bytes: &[u8]) -> &mut Self {
        // Nothing that is written here comes near that.
        self.number(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.string(text.as_bytes())
    }

    /// A number above zero, by its bytes, the highest first.
    pub fn positive(&mut self, bytes: &[u8]) -> &mut Self {
        let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        match bytes.first() {
            Some(first) if *first >= 0x80 => {
                self.number(u32::try_from(bytes.len() + 1).unwrap_or(u32::MAX)).byte(0);
                self.0.extend_from_slice(bytes);
                self
            }
            _ => self.string(bytes),
        }
    }
}

/// What was read is not what its type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not written as SSH has it")]
pub struct Malformed;

/// Takes a message apart, without copying it.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// # Errors
    /// Where there are fewer bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// # Errors
    /// Where nothing is left.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    /// # Errors
    /// Where nothing is left.
    pub fn flag(&mut self) -> Result<bool, Malformed> {
        self.byte().map(|byte| byte != 0)
    }

    /// # Errors
    /// Where there are fewer bytes.
    pub fn number(&mut self) -> Result<u32, Malformed> {
        let bytes = self.bytes(4)?;
        bytes.try_into().map(u32::from_be_bytes).map_err(|_| Malformed)
    }

    /// # Errors
    /// Where there are fewer bytes than it says.
    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        self.bytes(length)
    }

    /// # Errors
    /// As for [`Reader::string`], and where it is no UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.string()?).map_err(|_| Malformed)
    }

    /// A number above zero, as its bytes without any zeros before them.
    ///
    /// # Errors
    /// Where it is written in another way than the one that there is.
    pub fn positive(&mut self) -> Result<&'a [u8], Malformed> {
        match self.string()? {
            [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Ok(rest),
            bytes @ [first, ..] if (1..0x80).contains(first) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    /// # Errors
    /// Where something is left.
    pub fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_beyond_it() {
        let mut writer = Writer::default();
        writer.byte(7).flag(true).number(9).text("ab").positive(&[0, 0, 0x80]).positive(&[1, 2]);
        let mut reader = Reader(&writer.0);
        assert_eq!((reader.byte(), reader.flag(), reader.number()), (Ok(7), Ok(true), Ok(9)));
        assert_eq!((reader.text(), reader.positive()), (Ok("ab"), Ok([0x80].as_slice())));
        assert_eq!(reader.end(), Err(Malformed));
        assert_eq!((reader.positive(), reader.end()), (Ok([1, 2].as_slice()), Ok(())));
        assert_eq!(
            (reader.byte(), reader.number(), reader.string()),
            (Err(Malformed), Err(Malformed), Err(Malformed))
        );
    }

    #[test]
    fn a_number_is_written_in_one_way() {
        for wrong in [&[][..], &[0], &[0, 1], &[0x80], &[0, 0, 0x80]] {
            let mut writer = Writer::default();
            writer.string(wrong);
            assert_eq!(Reader(&writer.0).positive(), Err(Malformed), "{wrong:?}");
        }
    }

    #[test]
    fn a_length_that_is_a_lie_takes_nothing() {
        assert_eq!(Reader(&[0xff, 0xff, 0xff, 0xff, 1]).string(), Err(Malformed));
        assert_eq!(Reader(&[0, 0, 0, 2, 1]).string(), Err(Malformed));
    }
}
