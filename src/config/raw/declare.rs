//! The form in which tables are declared: one line for each key makes its field, its reading, its place among the
//! known keys and its lines in the reference. A key cannot be in one of them and not in the others.

/// Declares a table.
///
/// Each key is `NAME: KIND, PRESENCE, EXAMPLE;` under its sentence. The presence is `required`, `optional`,
/// `or(DEFAULT)`, or, for tables whose keys have defaults of their own, `implied`.
macro_rules! table {
    (
        $(#[doc = $doc:literal])+
        $table:ident {
            $(
                $(#[doc = $words:literal])+
                $key:ident: $kind:ty, $presence:ident $(($default:expr))?, $example:literal;
            )*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub(in crate::config) struct $table {
            $(
                $(#[doc = $words])+
                pub(in crate::config) $key: $crate::config::raw::table!(@field $presence $kind),
            )*
        }

        impl $crate::config::raw::Table for $table {
            const DOC: &'static str = concat!($($doc),+);
            const NAMES: &'static [&'static str] = &[$(stringify!($key)),*];

            #[allow(unused_variables, reason = "a table may have no keys")]
            fn read(section: &$crate::config::raw::Section<'_>) -> Self {
                $table {
                    $(
                        $key: $crate::config::raw::table!(
                            @read section $presence $kind, stringify!($key) $(, $default)?
                        ),
                    )*
                }
            }

            fn keys() -> Vec<$crate::config::raw::KeyWords> {
                vec![$(
                    $crate::config::raw::KeyWords {
                        name: stringify!($key),
                        allowed: <$kind as $crate::config::raw::Kind>::allowed(),
                        presence: $crate::config::raw::table!(@presence $presence $kind $(, $default)?),
                        doc: concat!($($words),+),
                        example: $example,
                        read: |item| <$kind as $crate::config::raw::Kind>::read(item).is_some(),
                    }
                ),*]
            }

            #[allow(unused_variables, unused_mut, reason = "a table may have no keys")]
            fn tables(path: &str) -> Vec<$crate::config::raw::TableWords> {
                let mut tables = Vec::new();
                $(
                    let separator = if path.is_empty() { "" } else { "." };
                    let within = format!("{path}{separator}{}", stringify!($key));
                    tables.extend(<$kind as $crate::config::raw::Kind>::tables(&within));
                )*
                tables
            }
        }
    };

    (@field required $kind:ty) => { Option<$crate::config::raw::At<<$kind as $crate::config::raw::Kind>::Value>> };
    (@field optional $kind:ty) => { Option<$crate::config::raw::At<<$kind as $crate::config::raw::Kind>::Value>> };
    (@field or $kind:ty) => { $crate::config::raw::At<<$kind as $crate::config::raw::Kind>::Value> };
    (@field implied $kind:ty) => { $crate::config::raw::At<<$kind as $crate::config::raw::Kind>::Value> };

    (@read $section:ident required $kind:ty, $name:expr) => { $section.required::<$kind>($name) };
    (@read $section:ident optional $kind:ty, $name:expr) => { $section.optional::<$kind>($name) };
    (@read $section:ident or $kind:ty, $name:expr, $default:expr) => { $section.or::<$kind>($name, $default) };
    (@read $section:ident implied $kind:ty, $name:expr) => {
        $section.implied::<<$kind as $crate::config::raw::Kind>::Value>($name)
    };

    (@presence required $kind:ty) => { $crate::config::raw::Presence::Required };
    (@presence optional $kind:ty) => { $crate::config::raw::Presence::Optional };
    (@presence or $kind:ty, $default:expr) => {
        $crate::config::raw::Presence::Default(<$kind as $crate::config::raw::Kind>::write(&$default))
    };
    (@presence implied $kind:ty) => { $crate::config::raw::Presence::Optional };
}

pub(in crate::config) use table;
