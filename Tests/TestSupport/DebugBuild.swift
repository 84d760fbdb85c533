/// Whether this is a debug build, where numeric code takes some fifty times as long: what is long does a part there
/// (`make sanitize`).
public var isDebugBuild: Bool {
  #if DEBUG
    true
  #else
    false
  #endif
}
