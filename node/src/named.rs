//! Enumerations whose members have a name in one kebab-case word, and perhaps a number.

/// Declares an enumeration with the name of each member: `name` gives it, `ALL` and `NAMES` list
/// members and names in the order of the declaration. A number stands in brackets before the name.
macro_rules! named {
    ($(
        $(#[$meta:meta])*
        $to:vis enum $named:ident {
            $($(#[$about:meta])* $member:ident $(($code:literal))? = $name:literal,)+
        }
    )+) => {
        $(
            $(#[$meta])*
            $to enum $named {
                $($(#[$about])* $member $(= $code)?,)+
            }

            impl $named {
                /// The names of all members.
                #[allow(dead_code, reason = "not every enumeration is listed")]
                $to const NAMES: &[&'static str] = &[$($name),+];

                /// All members.
                #[allow(dead_code, reason = "not every enumeration is listed")]
                $to const ALL: [Self; Self::NAMES.len()] = [$(Self::$member),+];

                /// Its name in one kebab-case word, as events tell it.
                $to const fn name(self) -> &'static str {
                    match self {
                        $(Self::$member => $name,)+
                    }
                }
            }
        )+
    };
}
pub(crate) use named;
