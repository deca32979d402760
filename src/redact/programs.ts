/** The table of programs whose options, or operands, are confidential although their names are not. */

/** The part of the value that is confidential: all, or the rest after the first of these characters. */
export type After = '' | ':' | '%' | ',' | '/'

export interface Program {
  /** For each option, with its dashes: the confidential part of its value. */
  readonly options: ReadonlyMap<string, After>
  /** Options whose value never is an argument of its own: mysql -pSECRET, but mysql -p DATABASE. */
  readonly attached: ReadonlySet<string>
  /** The attached options with several letters: -hpSECRET. */
  readonly prefixes: readonly string[]
  /** If true, its name is also an ordinary word: it counts only where a command begins. */
  readonly isOrdinaryWord: boolean
  /** The letters of options without a value, which may stand before another one: curl -sSu. */
  readonly flags: string
  /** An argument without which the options mean something else: docker login. */
  readonly subcommands: readonly string[]
  /** The number of the confidential operand, and the confidential part. */
  readonly operand: number
  readonly operandAfter: After
}

interface Row {
  readonly programs: string
  /** The options. A colon, percent sign or comma at the end stands before the password in the value. `!`: the value is attached. */
  readonly options?: string
  readonly flags?: string
  readonly subcommands?: string
  readonly operand?: number
  readonly operandAfter?: After
  readonly isOrdinaryWord?: boolean
}

/** Commands that start the program named after them. */
export const WRAPPERS: ReadonlySet<string> = new Set(
  'sudo doas env nohup time timeout exec command nice ionice setsid stdbuf strace xargs chroot unshare'.split(' '),
)

const ROWS: readonly Row[] = [
  {
    programs: 'curl',
    options: '-u: --user: -U: --proxy-user: -b --cookie -E: --cert: --proxy-cert:',
    flags: '#0123469afgGiIjJklLMnNOpqRsSvVZB',
  },
  { programs: 'http https httpie xh xhs', options: '-a: --auth:', flags: 'jfphbvdcSI', isOrdinaryWord: true },
  { programs: 'ab siege hey wrk', options: '-A: -P: -a: -C', flags: 'kiqrdSV', isOrdinaryWord: true },
  {
    programs:
      'mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlslap mysqlpump mysqlbinlog mysqlsh mysql_upgrade mycli mariadb mariadb-dump mariadb-admin mariadb-import mariadb-check mariadb-show mariadb-slap mariadb-binlog mydumper myloader pt-query-digest pt-table-checksum xtrabackup innobackupex mariabackup',
    options: '-p!',
    flags: 'ABbCEfGHNnoqrstTvVwXcIijlaKdQY',
  },
  { programs: 'sshpass', options: '-p', flags: 've' },
  { programs: 'redis-cli valkey-cli keydb-cli redis-benchmark valkey-benchmark', options: '-a -u:' },
  {
    programs:
      'mongo mongosh mongodump mongorestore mongoexport mongoimport mongofiles mongostat mongotop cqlsh clickhouse-client arangosh arangodump neo4j-admin cypher-shell elasticsearch-users isql-fb',
    options: '-p',
    flags: 'v',
  },
  {
    programs: 'docker podman nerdctl buildah helm skopeo oras crane oc az cf twine kubelogin regctl',
    options: '-p',
    subcommands: 'login upload',
  },
  {
    programs: 'ldapsearch ldapadd ldapmodify ldapdelete ldapcompare ldapmodrdn ldapexop ldapwhoami',
    options: '-w',
    flags: 'xnvcZzACLtMT',
  },
  { programs: 'ldappasswd', options: '-w -a -s', flags: 'xnvZSA' },
  { programs: 'sqlcmd osql bcp tsql fisql sqsh', options: '-P' },
  { programs: 'sqlplus sqlldr expdp impdp', operand: 1, operandAfter: '/' },
  {
    programs: 'smbclient rpcclient smbget smbcacls smbcquotas smbtree winexe',
    options: '-U% --user%',
    flags: 'NkPgEq',
  },
  { programs: 'mosquitto_pub mosquitto_sub mosquitto_rr', options: '-P', flags: 'dqrnsvcCNR' },
  { programs: 'ipmitool ipmipower ipmi-sensors ipmiconsole', options: '-P -k -y', flags: 'vc' },
  {
    programs: 'snmpget snmpgetnext snmpwalk snmpbulkget snmpbulkwalk snmpset snmptrap snmptable snmpstatus snmpdf',
    options: '-c -A -X',
  },
  {
    programs: 'zip unzip zipcloak zipinfo funzip',
    options: '-P',
    flags: 'rqjuovlntdfmyTXe0123456789',
    isOrdinaryWord: true,
  },
  { programs: '7z 7za 7zr 7zz rar unrar', options: '-p! -hp!', isOrdinaryWord: true },
  { programs: 'openssl', options: '-k -K -passout -passin -pass' },
  { programs: 'ssh-keygen', options: '-N -P', flags: 'qyplcBeiv' },
  { programs: 'useradd usermod groupadd groupmod newusers', options: '-p', flags: 'mMrUNoalD' },
  { programs: 'lftp', options: '-u,' },
  { programs: 'ncftp ncftpput ncftpget ncftpls', options: '-p' },
  { programs: 'rdesktop psexec paexec', options: '-p' },
  { programs: 'xfreerdp xfreerdp3 wlfreerdp sdl-freerdp freerdp wfreerdp', options: '/p /gp /pth' },
  { programs: 'schtasks taskkill tasklist systeminfo driverquery getmac eventcreate', options: '/p /rp' },
  { programs: 'nxc netexec crackmapexec evil-winrm hydra medusa smbmap', options: '-p -H', isOrdinaryWord: true },
  { programs: 'sendemail swaks', options: '-xp -ap' },
  { programs: 'pdftotext pdfinfo pdftoppm pdfimages pdftohtml pdftops pdfunite', options: '-upw -opw' },
  { programs: 'iscsiadm', options: '-v' },
  { programs: 'htpasswd', operand: 3 },
  { programs: 'wpa_passphrase', operand: 2 },
  { programs: 'radtest', operand: 2 },
  { programs: 'rabbitmqctl', operand: 3, subcommands: 'add_user change_password authenticate_user' },
]

/** Characters after an option of a row. */
const AFTERS: ReadonlySet<string> = new Set([':', '%', ','])

const PROGRAMS: ReadonlyMap<string, Program> = new Map(
  ROWS.flatMap((row) => row.programs.split(' ').map((name) => [name, programOf(row)] as const)),
)

/** The longest name of a program, with an extension. */
const NAME_MAX = Math.max(...[...PROGRAMS.keys()].map((name) => name.length)) + '.exe'.length

/** The bit that makes a letter lower-case, and keeps a digit. */
const CASE = 0x20

/** The first two letters of each name: 1; of a name that has no others: 2. */
const PAIRS = new Uint8Array(128 * 128)
/** The first three letters of each name, as a number. */
const TRIPLES = new Set<number>()
for (const name of PROGRAMS.keys()) {
  PAIRS[name.charCodeAt(0) * 128 + name.charCodeAt(1)]! |= name.length === 2 ? 2 : 1
  TRIPLES.add(tripleAt(name, 0))
}

/** Returns false if no program of the table is named in this text. It spares most texts the rest. */
export function mayCallProgram(text: string): boolean {
  let previous = 0
  for (let at = 0; at + 1 < text.length; at++) {
    const [code, next] = [text.charCodeAt(at), text.charCodeAt(at + 1)]
    const isStart = !isLetter(previous)
    previous = code
    if (!isStart || code > 127 || next > 127) continue
    const pair = PAIRS[(code | CASE) * 128 + (next | CASE)]!
    if (pair !== 0 && (pair >= 2 || TRIPLES.has(tripleAt(text, at)))) return true
  }
  return /\/p:/i.test(text)
}

function isLetter(code: number): boolean {
  return (code | CASE) >= 0x61 && (code | CASE) <= 0x7a
}

function tripleAt(text: string, at: number): number {
  return (
    ((text.charCodeAt(at) | CASE) << 16) | ((text.charCodeAt(at + 1) | CASE) << 8) | (text.charCodeAt(at + 2) | CASE)
  )
}

/** For each first letter, the lengths of names as bits. They spare most words the rest. */
const LENGTHS = new Uint32Array(128)
for (const name of PROGRAMS.keys()) LENGTHS[name.charCodeAt(0)]! |= 1 << name.length

/** Returns the program that this word starts, by the last part of its path; undefined if it is not in the table. */
export function programCalled(word: string): Program | undefined {
  const slash = Math.max(word.lastIndexOf('/'), word.lastIndexOf('\\'))
  const length = word.length - slash - 1
  if (length < 2 || length > NAME_MAX) return undefined
  const lengths = LENGTHS[(word.charCodeAt(slash + 1) | 0x20) & 0x7f]! | LENGTHS[word.charCodeAt(slash + 1) & 0x7f]!
  if (lengths === 0) return undefined
  if ((lengths & (1 << length)) !== 0) {
    const program = PROGRAMS.get(word.slice(slash + 1).toLowerCase())
    if (program !== undefined) return program
  }
  const last = word.charCodeAt(word.length - 1) | 0x20
  if (last !== E && (last < ZERO || last > NINE)) return undefined
  return PROGRAMS.get(
    word
      .slice(slash + 1)
      .toLowerCase()
      .replace(ENDING, ''),
  )
}

const [E, ZERO, NINE] = [0x65, 0x30, 0x39]

/** An extension, or a version. */
const ENDING = /\.exe$|-?\d[\d.]*$/

function programOf({ options, flags, subcommands, operand, operandAfter, isOrdinaryWord }: Row): Program {
  const all = (options ?? '').split(' ').filter(Boolean)
  const parsed = all.map((option): [string, After] => {
    const last = option.at(-1)!
    if (AFTERS.has(last)) return [option.slice(0, -1), last as After]
    return [last === '!' ? option.slice(0, -1) : option, '']
  })
  const attached = all.filter((option) => option.endsWith('!')).map((option) => option.slice(0, -1))
  return {
    options: new Map(parsed),
    attached: new Set(attached),
    prefixes: attached.filter((option) => option.length > 2),
    isOrdinaryWord: isOrdinaryWord ?? false,
    flags: flags ?? '',
    subcommands: subcommands?.split(' ') ?? [],
    operand: operand ?? 0,
    operandAfter: operandAfter ?? '',
  }
}
