"""Random chat templates over the grammar that HeadImpact's reader supports: what chat_templates.py compares."""
import random

FILTERS_TEXT = ["trim", "upper", "lower", "capitalize", "title", "string", "safe", "e", "escape", "forceescape", "reverse",
                "replace('a', 'bc')", "replace('', '-', 2)", "default('?')", "d('', true)", "indent", "indent(2, true)",
                "trim('xa ')", "indent('> ', blank=true)", "replace('o', '')"]
METHODS_TEXT = ["strip()", "lstrip()", "rstrip()", "strip('ax ')", "upper()", "lower()", "title()", "capitalize()",
                "swapcase()", "replace('a', 'b')", "replace('aa', '', 1)", "lstrip('\\n')", "removeprefix('he')",
                "removesuffix('lo')", "center(9)", "ljust(7, '.')", "rjust(7)", "zfill(6)", "format(1, 2)", "join(words)",
                "rstrip('o')", "split()[0]", "split('a')[-1]"]
TESTS = ["defined", "undefined", "none", "string", "number", "mapping", "iterable", "sequence", "boolean", "true", "false",
         "integer", "float", "odd", "even", "lower", "upper", "callable", "escaped", "divisibleby(3)", "divisibleby 2",
         "eq 1", "in [1, 'a', none]", "equalto('user')", "gt 2", "lt(3)", "ne none", "ge 1"]
TEXTS = ["", "a", "hello", " padded\t\n", "Hello World", "a,b,,c", "üñï – 漢字", "e\u0301\u00e9", "tab\there", "it's", 'say "hi"',
         "<b>&amp;</b>", "line one\nline two\n\nlast", "ΑΣ ΣΑΣ", "straße", "İı", "ǆ", "{{ x }}", "\x00\x1f\x7f", "\u2028x\u00a0y",
         "😀👍🏽", "aaaa", "123", "-4.5", " 7 ", "0x1F", "a b  c   d", "null", "<|im_end|>", "x" * 40, "%s and %d", "{} {0}"]


class Maker:
    """Makes a template and its variables."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.depth = 0
        self.locals = []
        self.macros = []
        self.loops = 0
        self.inside_function = False

    def pick(self, *choices):
        return self.random.choice(choices)

    def chance(self, share):
        return self.random.random() < share

    # ------------------------------------------------------------------------------------------------ variables
    def text(self):
        return self.random.choice(TEXTS)

    def scalar(self):
        return self.pick(self.text(), self.random.randint(-5, 100), self.pick(0.5, -2.0, 1e16, 1e-5, 123456.789, 3.0), True,
                         False, None, self.text())

    def value(self, depth=0):
        kind = self.random.random()
        if depth > 2 or kind < 0.5:
            return self.scalar()
        if kind < 0.75:
            return [self.value(depth + 1) for _ in range(self.random.randint(0, 4))]
        return {self.pick("a", "b", "name", "type", "items", "x y", "é", "content"): self.value(depth + 1)
                for _ in range(self.random.randint(0, 4))}

    def content(self):
        if self.chance(0.4):
            return self.text()
        return [{"type": "image"} if self.chance(0.4) else {"type": "text", "text": self.text()}
                for _ in range(self.random.randint(0, 3))]

    def messages(self):
        roles = ["system"] if self.chance(0.4) else []
        roles += ["user", "assistant"] * self.random.randint(0, 2) + ["user"]
        return [{"role": role, "content": self.content()} for role in roles]

    def variables(self):
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"q": {
            "type": "string", "description": self.text()}}}}}
        return {"messages": self.messages(), "add_generation_prompt": self.chance(0.5), "bos_token": self.pick("<s>", "", "<bos>"),
                "eos_token": "</s>", "tools": self.pick(None, [tool], []), "x": self.random.randint(-4, 9),
                "y": self.pick(0.0, 1.5, -2.25, 100.0, 1e100), "s": self.text(), "t": self.text(),
                "lst": [self.random.randint(-3, 12) for _ in range(self.random.randint(0, 5))],
                "words": [self.text() for _ in range(self.random.randint(0, 4))],
                "d": {"a": 1, "b": self.text(), "c": [1, 2], **({"k": {"z": None}} if self.chance(0.5) else {})},
                "flag": self.chance(0.5), "nothing": None, "any": self.value(),
                "rows": [{"name": self.pick("b", "A", "a", "Ç", "é"), "n": self.random.randint(0, 3), "sub": {"k": [self.random.randint(0, 2)]}}
                         for _ in range(self.random.randint(0, 4))]}

    # ------------------------------------------------------------------------------------------------ expressions
    def expression(self, kind=None):
        if self.chance(0.02):
            kind = None
        self.depth += 1
        try:
            return self.made(kind or self.pick("text", "text", "number", "truth", "list", "dictionary", "any"))
        finally:
            self.depth -= 1

    def made(self, kind):
        if self.depth > 4:
            return self.leaf(kind)
        if self.chance(0.08):
            inner = self.expression(kind)
            return f"({inner})" if self.chance(0.5) else f"({inner} if {self.expression('truth')} else {self.expression(kind)})"
        return getattr(self, kind + "_expression")()

    def literal(self):
        quote = self.pick("'", '"')
        body = self.pick("a", "hello", "x y", "\\n", "\\t|", "é", "\\u00e9", "\\x41", "\\q", "%s", "\\\\", "", "{%", "漢", "user",
                         "role", "-", ", ", "\\101", "it\\'s", 'q\\"')
        return quote + body + quote

    def leaf(self, kind):
        local = self.pick(*(self.locals or ["s"]))
        if self.chance(0.06):
            return self.pick(local, "missing", "any", "loop.index" if self.loops else "x", "nothing")
        return {
            "text": lambda: self.pick("s", "t", self.literal(), self.literal(), "bos_token", local, "d.b", "messages[0].role"),
            "number": lambda: self.pick("x", "y", "1", "2", "0", "10", "3.5", "1e3", "0x1f", "1_000", "lst|length", "d.a", "7",
                                        *(["loop.index", "loop.index0", "loop.revindex", "loop.length"] if self.loops else [])),
            "truth": lambda: self.pick("true", "false", "flag", "add_generation_prompt", "True", "x > 2", "s", "none",
                                       *(["loop.first", "loop.last"] if self.loops else [])),
            "list": lambda: self.pick("lst", "words", "messages", "[]", "[1, 2, 3]", "['a', 'b']", "range(3)", "()", "(1, 'x')"),
            "dictionary": lambda: self.pick("d", "{}", "{'a': 1}", "messages[0]", "{'k': x, 'b': s}"),
            "any": lambda: self.pick("any", "none", local, "s", "x", "lst", "d", "tools", "s", "y"),
        }[kind]()

    def text_expression(self):
        return self.pick(
            lambda: self.leaf("text"),
            lambda: f"{self.expression('text')} ~ {self.expression()}",
            lambda: f"{self.expression('text')} + {self.expression('text')}",
            lambda: f"{self.postfixable('text')}|{self.pick(*FILTERS_TEXT)}",
            lambda: f"{self.postfixable('text')}.{self.pick(*METHODS_TEXT)}",
            lambda: f"{self.postfixable('text')}[{self.slice()}]",
            lambda: f"{self.postfixable('list')}|join({self.literal()})",
            lambda: f"{self.expression('text')} * {self.pick('2', '0', '3', 'x')}",
            lambda: f"{self.postfixable('any')}|tojson{self.pick('', '', '(indent=2)', '(ensure_ascii=true)', '(sort_keys=true)', '(indent=4)')}",
            lambda: f"{self.postfixable('any')}|string",
            lambda: f"'%s-%d' % ({self.expression('text')}, {self.expression('number')})",
            lambda: f"'%5.2f|%-4s|%r' % ({self.expression('number')}, {self.expression('text')}, {self.expression()})",
            lambda: f"'{{}}:{{a}}:{{0}}'.format({self.expression()}, a={self.expression()})" if self.chance(0.2)
            else f"'{{}}:{{}}'.format({self.expression()}, {self.expression()})",
            lambda: f"{self.postfixable('text')}[{self.expression('number')}]",
            lambda: self.pick("rows|join(', ', attribute='name')", "(rows|min(attribute='name')).name", "(rows|max(attribute='n')).sub.k.0|string",
                              "'%(a)s|%(b)-5s|%(a)03d' % d", "'%-8s|%+d|%e' % (s, x, y)", "'{0.k} {b[1]}'.format(d, b=lst)", "'{x!r}'.format(x=s)",
                              "'%x %X %o' % (x, 255, 8)", "'%3d%%' % x", "'%s' % d", "'a%sb' % s", "'%05.1f' % y", "'%s|%s' % (x,)", "s.join(['a', 'b', t])", "(words|first).upper()", "messages[0]['content'][0].type"),
            lambda: f"({self.expression('any')}, {self.expression('text')})|string" if self.chance(0.4) else self.leaf("text"),
            lambda: f"strftime_now({self.pick('%Y-%m-%d', '%d %b %Y', '%B %d, %Y %H:%M', '%-d %a %j %p %I')!r})",
        )()

    def postfixable(self, kind):
        """An expression that may stand before a dot or a bar."""
        return f"({self.expression(kind)})" if self.chance(0.5) else self.leaf(kind)

    def slice(self):
        bounds = ["", "1", "2", "-1", "x", "0", "-3", "100", "none"]
        steps = ["", ":", ":2", ":-1", ":-2", ":1"]
        return f"{self.pick(*bounds)}:{self.pick(*bounds)}{self.pick(*steps)}"

    def number_expression(self):
        return self.pick(
            lambda: self.leaf("number"),
            lambda: f"{self.expression('number')} {self.pick('+', '-', '*', '/', '//', '%')} {self.expression('number')}",
            lambda: f"{self.pick('-', '+', '- -')}{self.leaf('number')}",
            lambda: f"{self.leaf('number')} ** {self.pick('2', '0', '3', '-1', '0.5')}",
            lambda: f"{self.postfixable('any')}|{self.pick('length', 'count', 'int', 'float', 'abs', 'int(7)', 'float(1.5)')}",
            lambda: f"{self.postfixable('number')}|{self.pick('round', 'round(1)', 'abs', 'int', 'float', 'round(2)')}",
            lambda: f"{self.postfixable('list')}|{self.pick('sum', 'min', 'max', 'first', 'last', 'length')}",
            lambda: f"{self.postfixable('text')}.{self.pick('find', 'count', 'index', 'rfind')}({self.literal()})",
            lambda: "rows|" + self.pick("sum(attribute='n')", "map(attribute='n')|sum", "sum('n', 10)", "map(attribute='n')|max", "length"),
            lambda: f"{self.postfixable('text')}|{self.pick('int', 'float', 'int(default=3)', 'int(0, 16)', 'length')}",
            lambda: f"{self.postfixable('list')}.{self.pick('count', 'index')}({self.expression('number')})",
        )()

    def truth_expression(self):
        return self.pick(
            lambda: self.leaf("truth"),
            lambda: f"not {self.expression('truth')}",
            lambda: f"{self.expression('truth')} {self.pick('and', 'or')} {self.expression('truth')}",
            lambda: f"{self.expression('number')} {self.pick('<', '<=', '>', '>=', '==', '!=')} {self.expression('number')}",
            lambda: f"{self.leaf('number')} < {self.leaf('number')} <= {self.leaf('number')}",
            lambda: f"{self.expression('text')} {self.pick('==', '!=', '<', 'in', 'not in')} {self.expression('text')}",
            lambda: f"{self.expression()} {self.pick('in', 'not in', '==', '!=')} {self.expression(self.pick('list', 'dictionary', 'any'))}",
            lambda: f"{self.postfixable('any')} is {self.pick('', 'not ')}{self.pick(*TESTS)}",
            lambda: f"{self.postfixable('text')}.{self.pick('startswith', 'endswith')}({self.literal()})",
            lambda: f"{self.postfixable('text')}.{self.pick('isdigit', 'isalpha', 'isspace', 'isupper', 'islower', 'isalnum')}()",
            lambda: f"{self.pick('loop', 'missing', 'd', 'messages[0]', 's')}.{self.pick('x', 'first', 'items', 'a', 'role', 'upper')} is defined",
        )()

    def list_expression(self):
        return self.pick(
            lambda: self.leaf("list"),
            lambda: "[" + ", ".join(self.expression() for _ in range(self.random.randint(0, 3))) + self.pick("", "") + "]",
            lambda: f"{self.expression('list')} + {self.expression('list')}",
            lambda: f"{self.postfixable('list')}[{self.slice()}]",
            lambda: f"{self.postfixable('text')}.split({self.pick('', self.literal(), self.literal() + ', 1', 'none, 2', 'none, 1', 'none, 0')})",
            lambda: f"{self.postfixable('text')}.{self.pick('splitlines()', 'rsplit(none, 1)', 'partition(self_)'.replace('self_', chr(39) + 'a' + chr(39)), 'rsplit(' + chr(39) + 'a' + chr(39) + ')')}",
            lambda: f"{self.postfixable('list')}|{self.pick('list', 'sort', 'unique|list', 'reverse|list', 'sort(reverse=true)', 'map(' + chr(39) + 'string' + chr(39) + ')|list')}",
            lambda: f"{self.postfixable('list')}|{self.pick('select', 'reject')}({self.pick('', chr(39) + 'string' + chr(39), chr(39) + 'gt' + chr(39) + ', 1', chr(39) + 'odd' + chr(39), chr(39) + 'defined' + chr(39))})|list",
            lambda: f"messages|{self.pick('selectattr', 'rejectattr')}('role', {self.pick(chr(39) + 'equalto' + chr(39), chr(39) + '==' + chr(39), chr(39) + 'in' + chr(39))}, {self.pick(chr(39) + 'user' + chr(39), '[' + chr(39) + 'user' + chr(39) + ']')})|list",
            lambda: f"messages|map(attribute='{self.pick('role', 'content', 'nope', 'content.0.type')}'{self.pick('', ', default=1')})|list",
            lambda: f"{self.postfixable('dictionary')}.{self.pick('items', 'keys', 'values')}()|list",
            lambda: f"{self.postfixable('dictionary')}|{self.pick('dictsort', 'items|list', 'list', 'dictsort(true)', 'dictsort(reverse=true)')}",
            lambda: f"range({self.pick('x', '3', '1, 5', '9, 0, -2', '0')})|list",
            lambda: f"{self.postfixable('text')}|list",
            lambda: f"({self.expression()}, {self.expression()})",
            lambda: "rows|" + self.pick("sort(attribute='name')|list", "sort(attribute='n,name', reverse=true)", "map(attribute='sub.k.0')|list",
                                        "unique(attribute='name')|list", "unique(true, 'n')|list", "selectattr('n')|map(attribute='name')|list",
                                        "rejectattr('n', 'gt', 1)|list", "sort(case_sensitive=true, attribute='name')|map(attribute='name')|list",
                                        "map(attribute='nope.x')|list", "map(attribute='nope', default='-')|unique|list", "map('items')|map('list')|list",
                                        "selectattr('sub.k', 'in', [[0], [1]])|list", "map('tojson')|list", "map(attribute='name')|map('upper')|list"),
            lambda: f"[{self.leaf('any')}] * {self.pick('2', '0', 'x')}",
        )()

    def dictionary_expression(self):
        return self.pick(
            lambda: self.leaf("dictionary"),
            lambda: "{" + ", ".join(f"{self.pick(self.literal(), 'x', '1', 'true', 'none', '(1, 2)')}: {self.expression()}"
                                    for _ in range(self.random.randint(0, 3))) + "}",
            lambda: f"dict({self.pick('', 'd, ', '{}, ')}a={self.expression()})",
            lambda: f"{self.postfixable('list')}|first",
        )()

    def any_expression(self):
        return self.pick(
            lambda: self.leaf("any"),
            lambda: f"{self.postfixable('dictionary')}.{self.pick('a', 'b', 'c', 'role', 'content', 'nope', 'k.z')}",
            lambda: f"{self.postfixable('dictionary')}[{self.pick(self.literal(), 'x', 's')}]",
            lambda: f"{self.postfixable('dictionary')}.get({self.literal()}{self.pick('', ', 0', ', ' + self.leaf('text'))})",
            lambda: f"{self.postfixable('list')}[{self.pick('0', '-1', 'x', '1')}]",
            lambda: f"{self.postfixable('list')}|{self.pick('first', 'last', 'min', 'max')}",
            lambda: f"{self.leaf('any')}|default({self.expression()}{self.pick('', ', true')})",
            lambda: f"{self.expression()} {self.pick('and', 'or')} {self.expression()}",
            lambda: f"({self.expression()} if {self.expression('truth')})",
            lambda: (f"{self.pick(*self.macros)}({self.pick('', self.expression())})" if self.macros else self.leaf("any")),
        )()

    # ------------------------------------------------------------------------------------------------ statements
    def tag(self, body):
        return "{%" + self.pick("", "", "", "-", "+") + " " + body + " " + self.pick("", "", "", "-", "+") + "%}"

    def data(self):
        return self.pick("", " ", "\n", "  \n", "text", "\n\n", "  text  ", "\t", "{ not a tag }", "é\n", "<|im_start|>", "a\n  ",
                         "\r\n", "x {# c #} y", "{#- c -#}\n", "\n  {# c\n #}\n")

    def body(self, statements=None):
        self.depth += 1
        locals_ = list(self.locals)
        result = "".join(self.data() + self.statement() for _ in range(statements or self.random.randint(1, 3))) + self.data()
        self.locals = locals_
        self.depth -= 1
        return result

    def output(self, kind=None):
        return "{{" + self.pick("", "", "-") + " " + self.expression(kind) + " " + self.pick("", "", "-") + "}}"

    def name(self):
        name = self.pick("v", "w", "z", "item", "s", "x")
        self.locals.append(name)
        return name

    def statement(self):
        if self.depth > 4:
            return self.output()
        return self.pick(self.output, self.output, self.output, self.set, self.set, self.condition, self.condition, self.loop,
                         self.loop, self.macro, self.call, self.namespace, self.block_set, self.conversation,
                         self.rare if self.chance(0.5) else self.output)()

    def set(self):
        value = self.expression()
        if self.chance(0.12):
            return self.tag(f"set {self.name()}, {self.name()} = {self.expression('list')}")
        return self.tag(f"set {self.name()} = {value}")

    def block_set(self):
        body = self.body(1)
        return self.tag(f"set {self.name()}{self.pick('', '', ' | trim', ' | upper | trim')}") + body + self.tag("endset")

    def condition(self):
        result = self.tag(f"if {self.expression('truth')}") + self.body(1)
        while self.chance(0.25):
            result += self.tag(f"elif {self.expression('truth')}") + self.body(1)
        if self.chance(0.4):
            result += self.tag("else") + self.body(1)
        return result + self.tag("endif")

    def loop(self):
        locals_ = list(self.locals)
        source = self.pick(lambda: self.expression("list"), lambda: "messages", lambda: self.postfixable("text"),
                           lambda: f"{self.postfixable('dictionary')}.items()", lambda: self.expression("any"),
                           lambda: f"{self.postfixable('list')}|select")()
        target = f"{self.name()}, {self.name()}" if "items()" in source or self.chance(0.05) else self.name()
        condition = f" if {self.expression('truth')}" if self.chance(0.2) else ""
        result = self.tag(f"for {target} in {source}{condition}")
        self.loops += 1
        result += self.body()
        if self.chance(0.15):
            result += self.tag(f"if {self.expression('truth')}") + self.tag(self.pick("break", "continue")) + self.tag("endif")
        if self.chance(0.3):
            result += "{{ " + self.pick("loop.index", "loop.last", "loop.previtem", "loop.nextitem", "loop.cycle('a', 'b')",
                                        "loop.changed(x)", "loop.length", "loop.revindex0", "loop") + " }}"
        self.loops -= 1
        self.locals = locals_
        if self.chance(0.2):
            result += self.tag("else") + self.body(1)
        return result + self.tag("endfor")

    def macro(self):
        name = self.pick("m", "render", "show")
        loops, self.loops = self.loops, 0
        locals_ = list(self.locals)
        parameters = self.pick("", "p", "p, q=1", "p='x', q=x", "p, q=p")
        self.locals += ["p", "q"]
        body = self.body()
        if self.chance(0.25):
            body += self.pick("{{ caller() }}", "{{ varargs }}", "{{ kwargs }}", "{{ caller('c') if caller }}")
        self.loops, self.locals = loops, locals_
        self.macros.append(name)
        return self.tag(f"macro {name}({parameters})") + body + self.tag("endmacro")

    def call(self):
        if not self.macros:
            return self.output()
        name = self.pick(*self.macros)
        arguments = self.pick("", self.expression(), f"{self.expression()}, q={self.expression()}", "1, 2, 3", "r=1")
        if self.chance(0.6):
            return "{{ " + f"{name}({arguments})" + " }}"
        loops, self.loops = self.loops, 0
        result = self.tag(f"call{self.pick('', '', '(c)')} {name}({arguments})") + self.body(1) + self.tag("endcall")
        self.loops = loops
        return result

    def conversation(self):
        """What chat templates do."""
        part = self.pick("{{ part.text }}", "{{ part['text'] | trim }}", "{{- part.text -}}")
        return (self.tag("for message in messages") + self.pick("", self.tag("if loop.first and message.role != 'system'")
                + "system\n" + self.tag("endif")) + "<|im_start|>{{ message['role'] }}\n"
                + self.tag("if message.content is string") + self.pick("{{ message.content }}", "{{- message.content | trim }}")
                + self.tag("else") + self.tag("for part in message['content']") + self.tag("if part.type == 'image'") + "<image>"
                + self.tag("elif 'text' in part") + part + self.tag("endif") + self.tag("endfor") + self.tag("endif")
                + "<|im_end|>\n" + self.tag("endfor") + self.tag("if add_generation_prompt") + "<|im_start|>assistant\n"
                + self.tag("endif"))

    def namespace(self):
        name = self.pick("ns", "ns2")
        result = self.tag(f"set {name} = namespace({self.pick('', 'a=0', 'a=x, b=s', 'd, n=1')})")
        if self.chance(0.7):
            value = self.pick(f"{name}.a + 1", self.expression())
            update = self.tag(f"set {name}.{self.pick('a', 'b', 'n')} = {value}")
            result += (self.tag("for i in lst") + update + self.tag("endfor")) if self.chance(0.5) else update
        return result + "{{ " + f"{name}.{self.pick('a', 'b', 'n', 'q')}" + " }}"

    def rare(self):
        loops, self.loops = self.loops, 0
        try:
            return self.pick(
                lambda: self.tag("generation") + self.body(1) + self.tag("endgeneration"),
                lambda: self.tag("raw") + self.pick("{{ x }}", "  \n{% if %} ", "{# #}") + self.tag("endraw"),
                lambda: self.tag(f"filter {self.pick('upper', 'trim', 'replace(' + chr(39) + 'a' + chr(39) + ', x)')}") + self.body(1) + self.tag("endfilter"),
                lambda: self.tag(f"with {self.pick('v = 1', 'v = x, w = s', '')}") + self.body(1) + self.tag("endwith"),
                lambda: self.tag("if " + self.expression("truth")) + "{{ raise_exception('no: ' ~ x) }}" + self.tag("endif"),
                lambda: self.tag(f"print {self.expression()}"),
                lambda: self.tag(self.pick("nonsense", "endif", "set = 1", "if", "for in x", "macro", "set 1 = 2", "else")),
                lambda: "{{ " + self.pick("x |", "(", "1 +", "'open", "x y", "a.", "[1", "}", "x is", "nofilter|nofilter", "1 is nosuch",
                                          "x.__class__", "''.__class__.__mro__", "lst.append(1)", "d.update(a=2)", "range(100001)",
                                          "range(1, 2, 0)", "1 // 0", "x % 0", "none + 1", "none.a", "missing.a", "missing()", "'a' * -1",
                                          "loop", "d.items", "lst | map('upper')", "namespace", "9223372036854775807 + 1", "-7 // 2",
                                          "-7 % 3", "7.5 % -2", "2 ** 62", "1 if", "not", "*x", "{'a'}") + " }}",
            )()
        finally:
            self.loops = loops

    def template(self):
        return self.body(self.random.randint(1, 5))
