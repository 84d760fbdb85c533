import Foundation

/// The system's text for a value of `errno`: "No space left on device".
public func errnoText(_ code: Int32) -> String { String(cString: strerror(code)) }

/// Why something failed, in a specific text.
///
/// Foundation describes most failures of the system as "The operation could not be completed"; the underlying `errno` value says what
/// happened.
///
/// - Returns: the system's text for an error of Foundation; the description of any other error.
public func reason(of error: any Error) -> String {
  let outermost = error as NSError
  guard outermost.domain == NSCocoaErrorDomain || outermost.domain == NSPOSIXErrorDomain else { return "\(error)" }
  if let code = posixCode(outermost) { return errnoText(code) }
  if let text = outermost.userInfo["NSDebugDescription"] as? String { return text }
  return "Foundation's error \(outermost.code)"
}

/// The `errno` value behind an error of Foundation.
func posixCode(_ error: NSError) -> Int32? {
  if error.domain == NSPOSIXErrorDomain { return Int32(exactly: error.code) }
  return (error.userInfo[NSUnderlyingErrorKey] as? any Error).flatMap { posixCode($0 as NSError) }
}
