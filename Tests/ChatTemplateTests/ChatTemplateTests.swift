import ChatTemplate
import TestSupport
import Testing

private func render(
  _ source: String, _ variables: TemplateDictionary = [:], date: TemplateDate? = nil
) throws -> String {
  try ChatTemplate(source: source, name: "chat_template.jinja").render(variables, date: date)
}

/// The error of reading a template.
private func refusal(_ source: String) -> ChatTemplateError? {
  do {
    _ = try ChatTemplate(source: source, name: "chat_template.jinja")
    return nil
  } catch { return error as? ChatTemplateError }
}

@Suite struct ReadingTests {
  /// What can't be rendered is refused before anything is rendered, with its name and its line.
  @Test(arguments: [
    ("a\n{% include 'x' %}", "include", 2), ("\n\n{{ x | wordwrap }}", "wordwrap", 3), ("{{ x is prime }}", "prime", 1),
    ("{% if false %}\n{{ lipsum() }}{% endif %}", "lipsum", 2), ("{{ s.encode() }}", "encode", 1),
    ("{{ xs | map('urlize') | list }}", "urlize", 1), ("{{ xs | select('prime') | list }}", "prime", 1),
    ("{% for x in xs recursive %}{% endfor %}", "recursive", 1), ("{% do x %}", "do", 1),
    ("\n{{ nosuch(1) }}", "nosuch", 2),
    ("{% import 'a' as b %}", "import", 1), ("{% block a %}{% endblock %}", "block", 1),
    ("{{ '\\N{BULLET}' }}", "\\N", 1), ("{{ '{:>5}'.format(x) }}", "{:>5}", 1),
    ("{{ '\\ud83d' }}", "surrogate", 1), ("{{ é }}", "é", 1),
  ])
  func unknownConstructsAreNamed(_ source: String, _ construct: String, _ line: Int) throws {
    let error = try #require(refusal(source))
    #expect(error.problem.contains(construct))
    #expect(error.line == line)
    #expect(error.description.hasPrefix("chat_template.jinja, line \(line): "))
  }

  @Test(arguments: [
    "{% if x %}", "{{", "{{ x", "{% for x in %}", "{# open", "{% raw %}x", "{{ 'open }}", "{{ (1 }}", "{% endif %}",
    "{{ }}",
    "{{ 1 2 }}", "{% set 1 = 2 %}", "{{ 99999999999999999999 }}", "{% macro m(a=1, b) %}{% endmacro %}", "{% break %}",
    "{% for loop in x %}{% endfor %}", "{{ x[1:2, 3] }}", "{{ f(a=1, a=2) }}", "{{ '\\x4' }}", "{% else %}",
    "{{ x is }}",
    "{% macro m() %}{% continue %}{% endmacro %}",
  ])
  func brokenTemplatesAreRefused(_ source: String) {
    #expect(refusal(source) != nil)
  }

  @Test func itSaysWhetherItNeedsTheDate() throws {
    #expect(try ChatTemplate(source: "{{ strftime_now('%Y') }}", name: "").usesDate)
    #expect(!(try ChatTemplate(source: "{{ x }}", name: "").usesDate))
  }
}

@Suite struct RenderingTests {
  @Test func aTemplatesOwnErrorIsItsMessageAndLine() throws {
    let template = try ChatTemplate(source: "\n\n{{ raise_exception('Roles must alternate') }}", name: "t")
    do {
      _ = try template.render([:])
      Issue.record("it renders")
    } catch let error as ChatTemplateError {
      #expect(error.problem == "Roles must alternate")
      #expect(error.line == 3)
    }
  }

  @Test func errorsNameTheLineAndWhatIsMissing() throws {
    let message = try #require(failure { try render("x\n{{ message.content.text }}", ["message": ["role": "user"]]) })
    #expect(message.contains("line 2") && message.contains("content"))
  }

  @Test func theDateIsTheOneThatIsGiven() throws {
    let date = TemplateDate(year: 2026, month: 3, day: 7, hour: 15, minute: 4, second: 9)
    #expect(
      try render("{{ strftime_now('%d %b %Y, %A %-d %B %H:%M:%S %I %p %j %y%%') }}", date: date)
        == "07 Mar 2026, Saturday 7 March 15:04:09 03 PM 066 26%")
    #expect(failure { try render("{{ strftime_now('%Y') }}") }?.contains("strftime_now") == true)
    #expect(failure { try render("{{ strftime_now('%Q') }}", date: date) } != nil)
    let nonsense = TemplateDate(year: 2026, month: 13, day: 0)
    #expect(failure { try render("{{ strftime_now('%B') }}", date: nonsense) } != nil)
  }

  /// Python compares, counts and cuts code points; Swift's strings take "é" in both forms for equal.
  @Test func charactersAreUnicodeScalars() throws {
    let variables: TemplateDictionary = ["a": "\u{e9}", "b": "e\u{301}", "flag": "🇩🇪"]
    #expect(
      try render("{{ a == b }} {{ a in b }} {{ b | length }} {{ flag[0] == flag }} {{ flag[::-1] == flag }}", variables)
        == "False False 2 False False")
    let keys: TemplateDictionary = ["d": ["\u{e9}": 1]]
    #expect(try render("{{ d['e\\u0301'] is defined }} {{ d['\\u00e9'] }}", keys) == "False 1")
    #expect(TemplateDictionary([("\u{e9}", 1), ("e\u{301}", 2)]).pairs.count == 2)
  }

  @Test func valuesPrintAsInPython() throws {
    let variables: TemplateDictionary = [
      "v": [
        true, .none, .integer(3), .float(1e16), .float(0.1), .float(-0.0), "it's", "a\n\u{7f}é",
        ["k": .float(.infinity)],
      ]
    ]
    #expect(
      try render("{{ v }} {{ (1,) }} {{ missing }}|{{ [missing] }}", variables)
        == "[True, None, 3, 1e+16, 0.1, -0.0, \"it's\", 'a\\n\\x7fé', {'k': inf}] (1,) |[Undefined]")
  }

  @Test func splittingKeepsBlanksAsPythonDoes() throws {
    let variables: TemplateDictionary = ["s": "  a  b  c  "]
    #expect(
      try render("{{ s.split() }} {{ s.split(none, 1) }} {{ s.rsplit(none, 1) }} {{ s.split(' ', 2) }}", variables)
        == "['a', 'b', 'c'] ['a', 'b  c  '] ['  a  b', 'c'] ['', '', 'a  b  c  ']")
    #expect(try render("{{ 'aaa'.split('aa') }} {{ 'aaa'.rsplit('aa') }}") == "['', 'a'] ['a', '']")
  }

  @Test func toJSONIsTransformersOwn() throws {
    let variables: TemplateDictionary = ["v": ["b": ["<é>", .none, .float(1)], "a": [:]]]
    #expect(try render("{{ v | tojson }}", variables) == #"{"b": ["<é>", null, 1.0], "a": {}}"#)
    #expect(
      try render("{{ v | tojson(indent=2, sort_keys=true, ensure_ascii=true) }}", variables)
        == "{\n  \"a\": {},\n  \"b\": [\n    \"<\\u00e9>\",\n    null,\n    1.0\n  ]\n}")
    #expect(try render("{{ v.a | tojson(separators=(',', ':')) }}", variables) == "{}")
  }

  /// A name that a scope sets further down is unset before, as in jinja2.
  @Test func scopesAreJinjas() throws {
    #expect(try render("{% for i in [1] %}{{ x }}{% endfor %}{% set x = 1 %}", ["x": 5]) == "")
    #expect(try render("{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 9 %}{% endfor %}{{ x }}") == "111")
    #expect(try render("{% for i in [1] %}{% continue %}{% else %}none{% endfor %}") == "none")
    #expect(
      try render(
        "{% for a in 'xy' %}{% set outer = loop %}{% for b in [1, 2] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}"
      )
        == "11 12 21 22 ")
    #expect(try render("{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}") == "12")
  }

  @Test func oneTemplateRendersManyTimesFromManyThreads() async throws {
    let template = try ChatTemplate(
      source:
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ m }}{% endfor %}{{ ns.n }}",
      name: "t")
    try await withThrowingTaskGroup(of: String.self) { group in
      for number in 0..<200 {
        group.addTask { try template.render(["messages": ["a", .string(String(number))]]) }
      }
      var texts: Set<String> = []
      for try await text in group { texts.insert(text) }
      #expect(texts == Set((0..<200).map { "a\($0)2" }))
    }
  }

  @Test func dictionariesKeepOrderAndTheLastValue() throws {
    let dictionary = TemplateDictionary([("b", 1), ("a", 2), ("b", 3)])
    #expect(dictionary.pairs.map(\.name) == ["b", "a"])
    #expect(try render("{{ d }}", ["d": .dictionary(dictionary)]) == "{'b': 3, 'a': 2}")
  }
}

/// Templates and variables that are made to do harm: an error, in little time, and no trap.
@Suite struct HostileTests {
  /// Start, what is repeated 50,000 times, and end.
  @Test(arguments: [
    ("{{ ", "(", "1 }}"), ("{{ ", "[", " }}"), ("{{ ", "{1:", " }}"), ("{{ ", "not ", "x }}"), ("{{ ", "-", "1 }}"),
    ("{{ 1", " + 1", " }}"), ("{{ 1", " ** 1", " }}"), ("{{ x", ".a", " }}"), ("{{ x", "|list", " }}"),
    ("{{ x", "()", " }}"),
    ("{{ x", "[0]", " }}"), ("{{ x", " if y else x", " }}"), ("{{ x", " and x", " }}"), ("", "{% if x %}", ""),
    ("", "{% for x in y %}", ""), ("", "{% set x %}", ""), ("{% set ", "(", "a"), ("{{ x is ", "(", ""),
    ("{{ x", " is not none", " }}"), ("{{ f(", "f(", ""), ("", "{% macro m() %}", ""),
  ])
  func deepSourcesAreRefused(_ start: String, _ piece: String, _ end: String) {
    #expect(refusal(start + String(repeating: piece, count: 50_000) + end) != nil)
  }

  @Test func aSourceOfMegabytesIsRefused() {
    #expect(refusal(String(repeating: "x", count: 2 << 20)) != nil)
  }

  @Test(arguments: [
    // Endless, or nearly
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(x) %}{{ m(x + 1) }}{{ m(x) }}{% endmacro %}{{ m(0) }}",
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{{ range(1000000000000) }}", "{{ range(0, 9223372036854775807, 1) }}",
    "{{ range(-9223372036854775807, 9223372036854775807) }}",
    "{% set ns = namespace() %}{% macro m() %}{{ ns.f() }}{% endmacro %}{% set ns.f = m %}{{ m() }}",
    // Too much text
    "{{ 'x' * 1000000000000 }}", "{{ [1] * 9223372036854775807 }}", "{{ 'x'.center(9223372036854775807) }}",
    "{{ '%1000000000s' % 1 }}", "{{ '%.99999999999f' % 1.5 }}", "{{ 'x' | indent(9223372036854775807) }}",
    "{{ [1] | tojson(indent=9223372036854775807) }}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}",
    "{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
    "{% for i in range(100000) %}{{ 'x' * 1000 }}{% endfor %}", "{{ ('a' * 1000000).replace('', 'b' * 1000000) }}",
    "{{ (['a'] * 100000) | join('b' * 100000) }}",
    // Deep values
    "{% set ns = namespace(s=[1]) %}{% for i in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(100000) %}{% set ns.s = ns.s | map('upper') %}{% endfor %}{{ ns.s | list }}",
    "{% set ns = namespace(s=1) %}{% for i in range(100000) %}{% set ns.s = {1: ns.s} %}{% endfor %}",
    "{% set ns = namespace() %}{% set ns.s = ns %}{{ ns }}",
    "{% set ns = namespace() %}{% set ns.s = [ns] %}{{ ns.s | tojson }}",
    // Numbers
    "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 2 ** 64 }}",
    "{{ 2 ** 9223372036854775807 }}",
    "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}",
    "{{ (-9223372036854775807 - 1) | abs }}",
    "{{ 1e308 | int }}", "{{ 1e999 | int }}", "{{ '99999999999999999999' | int }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}",
    "{{ 1.0 / 0 }}",
    "{{ 10.0 ** 400 }}", "{{ '%d' % 1e300 }}", "{{ 1.5 | round(999999999999) }}", "{{ 'ab'[::0] }}",
    "{{ [1, 2][::-9223372036854775807 - 1] }}",
  ])
  func costlyTemplatesAreStopped(_ source: String) {
    // A tenth of what is allowed, for the tests' own time.
    var limits = TemplateLimits.standard
    limits.steps /= 10
    limits.madeBytes /= 10
    #expect(failure { try ChatTemplate(source: source, name: "t").render([:], limits: limits) } != nil)
  }

  /// Extreme bounds that are right in Python.
  @Test func extremeSlicesWork() throws {
    #expect(try render("{{ 'abc'[-9223372036854775807:9223372036854775807:9223372036854775807] }}") == "a")
    #expect(try render("{{ [1, 2][9223372036854775807:] }}{{ 'ab'.find('b', -9223372036854775807) }}") == "[]1")
    #expect(try render("{{ 'ab'.startswith('a', 9223372036854775807) }}") == "False")
  }

  @Test func nothingButALimitStopsALongChat() throws {
    let template = try ChatTemplate(
      source: "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}",
      name: "t")
    let message: TemplateValue = ["role": "user", "content": .string(String(repeating: "word ", count: 1000))]
    let messages = TemplateValue.list(Array(repeating: message, count: 1000))
    #expect(try template.render(["messages": messages]).utf8.count > 4_999_000)
    var limits = TemplateLimits.standard
    limits.outputBytes = 1 << 20
    #expect(failure { try template.render(["messages": messages], limits: limits) }?.contains("bytes") == true)
    limits = .standard
    limits.steps = 100
    #expect(failure { try template.render(["messages": messages], limits: limits) }?.contains("steps") == true)
  }

  @Test func nulsAndNestedVariablesAreTakenAsTheyAre() throws {
    #expect(try render("\0{{ x }}\0", ["x": "\0"]) == "\0\0\0")
    var deep = TemplateValue.integer(1)
    for _ in 0..<1000 { deep = .list([deep]) }
    #expect(failure { try render("{{ x }}", ["x": deep]) }?.contains("nested") == true)
  }

  /// Any bytes at all: an error or a text.
  @Test func randomPiecesNeverTrap() {
    let pieces = [
      "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", " ", "\n", "x", "if", "for", "in", "set", "=", "(", ")", "[", "]",
      "{", "}", ":",
      "'a'", "|", "list", "is", "not", "endif", "endfor", "macro", "endmacro", "1", ".", "~", "*", "raw", "endraw", ",",
      "loop", "\\", "\"",
      "e\u{301}", "else", "**", "d", "join", "tojson", "range(3)", "break", "call", "endcall", "caller()",
      "namespace()", "ns.a",
    ]
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let source = (0..<Int.random(in: 1..<25, using: &generator)).map { _ in
        pieces.randomElement(using: &generator) ?? ""
      }
      .joined(separator: Bool.random(using: &generator) ? " " : "")
      _ = failure { try render(source, ["x": ["a", 1], "d": ["a": 1]]) }
    }
  }
}
