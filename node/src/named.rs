//! Enumerations whose members have a name in one kebab-case word, and perhaps a number.

/// Declares an enumeration with the name of each member, which `name` gives. A number stands in
/// brackets before the name.
macro_rules! named {
    (
        $(#[$meta:meta])*
        $to:vis enum $named:ident {
            $($(#[$about:meta])* $member:ident $(($code:literal))? = $name:literal,)+
        }
    ) => {
        $(#[$meta])*
        $to enum $named {
            $($(#[$about])* $member $(= $code)?,)+
        }

        impl $named {
            /// Its name in one kebab-case word, as events tell it.
            $to const fn name(self) -> &'static str {
                match self {
                    $(Self::$member => $name,)+
                }
            }
        }
    };
}

/// As [`named!`], and `ALL` and `NAMES` list members and names in the order of the declaration.
macro_rules! listed {
    (
        $(#[$meta:meta])*
        $to:vis enum $named:ident {
            $($(#[$about:meta])* $member:ident $(($code:literal))? = $name:literal,)+
        }
    ) => {
        $crate::named::named! {
            $(#[$meta])*
            $to enum $named {
                $($(#[$about])* $member $(($code))? = $name,)+
            }
        }

        impl $named {
            /// The names of all members.
            $to const NAMES: &[&'static str] = &[$($name),+];

            /// All members.
            $to const ALL: [Self; Self::NAMES.len()] = [$(Self::$member),+];
        }
    };
}
pub(crate) use {listed, named};
