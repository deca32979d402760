// A plugin for typedoc, which ignores the comments of a union's members. It lists them below the union's own comment.

import { Converter } from 'typedoc'
import ts from 'typescript'

export function load({ converter }) {
  converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    const node = context.getSymbolFromReflection(reflection)?.declarations?.[0]
    if (!node || !ts.isTypeAliasDeclaration(node) || !ts.isUnionTypeNode(node.type)) return
    const { text } = node.getSourceFile()
    const lines = node.type.types.flatMap((member, index, members) => {
      // The comment is before the bar.
      const [comment] = ts.getLeadingCommentRanges(text, index === 0 ? node.type.pos : members[index - 1].end) ?? []
      const says = comment && text.slice(comment.pos, comment.end).replaceAll(/^\/\*\*\s*|\s*\*\/$/g, '')
      return says ? [`- \`${member.getText()}\`: ${says}`] : []
    })
    if (lines.length > 0) reflection.comment.summary.push({ kind: 'text', text: `\n\n${lines.join('\n')}` })
  })
}
