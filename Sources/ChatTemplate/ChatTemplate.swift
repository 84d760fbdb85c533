/// A chat template in Jinja's language, as transformers 5 reads it (`ImmutableSandboxedEnvironment` with `trim_blocks`,
/// `lstrip_blocks`, loop controls and `generation` blocks). Read once, rendered many times, from any thread.
///
/// What this reader can't render is refused by `init`. Rendering is bounded by `TemplateLimits`; both throw
/// `ChatTemplateError` and nothing else.
public struct ChatTemplate: Sendable {
  /// The file (and key) that the text came from, for errors.
  public let name: String
  /// Whether the template has `strftime_now` in it: what it renders may then depend on the date.
  public let usesDate: Bool

  private let program: Program

  /// The syntax tree.
  ///
  /// `@unchecked Sendable` invariant: it is never changed once it is read.
  private final class Program: @unchecked Sendable {
    let body: Body
    init(_ body: Body) { self.body = body }
  }

  /// Reads the template. Throws where jinja2 would not compile it, and where it has a tag, filter, test, function or
  /// method that this reader doesn't know.
  public init(source: String, name: String) throws {
    self.name = name
    do {
      let (body, usesDate) = try Parser.body(of: source)
      program = Program(body)
      self.usesDate = usesDate
    } catch let fault as TemplateFault {
      throw ChatTemplateError(name: name, line: fault.line, problem: fault.problem)
    }
  }

  /// The text for these variables (`messages`, `add_generation_prompt`, `bos_token`, …).
  ///
  /// `date` is what `strftime_now` prints; a template that asks for it throws where none is given.
  public func render(
    _ variables: TemplateDictionary, limits: TemplateLimits = .standard, date: TemplateDate? = nil
  ) throws -> String {
    let renderer = Renderer(variables, limits, date)
    do {
      return try renderer.render(program.body)
    } catch let failure as Failure {
      throw ChatTemplateError(name: name, line: renderer.line, problem: failure.problem)
    }
  }
}

/// Why a template can't be read, or can't be rendered with what it was given.
public struct ChatTemplateError: Error, CustomStringConvertible, Sendable {
  /// The file (and key) that the template came from.
  public let name: String
  /// The line of the template, from 1.
  public let line: Int
  /// What is wrong there: of `raise_exception`, the template's own message.
  public let problem: String

  public var description: String { "\(name), line \(line): \(problem)" }
}

/// What one rendering may use; beyond it, `render` throws.
public struct TemplateLimits: Sendable {
  /// UTF-8 bytes of the rendered text, and of any intermediate string (16 MiB).
  public var outputBytes = 16 << 20
  /// The approximate bytes of all strings, lists, dictionaries and calls created while rendering (256 MiB).
  public var madeBytes = 256 << 20
  /// Expressions and statements evaluated, elements visited (20 million).
  public var steps = 20_000_000
  /// Statements, expressions and macro calls within each other.
  public var depth = 400

  public static let standard = TemplateLimits()
}

/// A date and time for `strftime_now`.
public struct TemplateDate: Sendable, Equatable {
  public var year, month, day, hour, minute, second: Int

  public init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
    (self.year, self.month, self.day) = (year, month, day)
    (self.hour, self.minute, self.second) = (hour, minute, second)
  }
}
