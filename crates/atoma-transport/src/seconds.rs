// Durations in configuration files: numbers of seconds.

use serde::{
    Deserializer, Serializer,
    de::{Error, Unexpected, Visitor},
};
use std::{fmt, time::Duration};

/// Writes whole seconds as an integer, other durations with a fraction.
pub(crate) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    match time.subsec_nanos() {
        0 => to.serialize_u64(time.as_secs()),
        _ => to.serialize_f64(time.as_secs_f64()),
    }
}

/// Reads an integer or a fraction of at least 0.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let time = from.deserialize_any(Seconds { accepts_none: false })?;
    time.ok_or_else(|| D::Error::custom("a number of seconds is needed"))
}

/// The same for a value that may be unlimited: `"none"`, because TOML has no null.
pub(crate) mod optional {
    use super::{Deserializer, Duration, Seconds, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, to),
            None => to.serialize_str("none"),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        from.deserialize_any(Seconds { accepts_none: true })
    }
}

struct Seconds {
    accepts_none: bool,
}

impl Visitor<'_> for Seconds {
    type Value = Option<Duration>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds, at least 0")?;
        if self.accepts_none { f.write_str(", or \"none\"") } else { Ok(()) }
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Self::Value, E> {
        Ok(Some(Duration::from_secs(seconds)))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Self::Value, E> {
        let unexpected = || E::invalid_value(Unexpected::Signed(seconds), &self);
        u64::try_from(seconds).map(Duration::from_secs).map(Some).map_err(|_| unexpected())
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Self::Value, E> {
        let unexpected = || E::invalid_value(Unexpected::Float(seconds), &self);
        Duration::try_from_secs_f64(seconds).map(Some).map_err(|_| unexpected())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match text {
            "none" if self.accepts_none => Ok(None),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        if self.accepts_none { Ok(None) } else { Err(E::invalid_type(Unexpected::Unit, &self)) }
    }
}
