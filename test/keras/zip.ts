import { crc32, deflateRawSync } from 'node:zlib';

/** A member of a zip archive as a test wants it, right or wrong. */
export interface MadeMember {
  readonly name: string;
  readonly bytes: string | Uint8Array;
  readonly method?: number;
  /** What the archive says, where it is not the truth. */
  readonly size?: number;
  readonly sum?: number;
  readonly flags?: number;
  /** Unix' file mode. */
  readonly mode?: number;
}

/** Packs a zip archive by hand (PKWARE APPNOTE 4.3), so that it can be made wrong in any way. */
export function zipOf(members: readonly MadeMember[]): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const member of members) {
    const plain = Buffer.from(member.bytes);
    const data = member.method === 8 ? deflateRawSync(plain) : plain;
    const name = Buffer.from(member.name);
    const fields = fieldsOf(member, plain, data, name);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), fields, name, data]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(((member.mode ?? 0) << 16) >>> 0, 6);
    tail.writeUInt32LE(at, 10);
    const made = Buffer.from('PK\x01\x02\x14\x03', 'latin1');
    central.push(Buffer.concat([made, fields, tail, name]));
    locals.push(local);
    at += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** What local and central headers have in common: version needed to the length of the extra field. */
function fieldsOf(member: MadeMember, plain: Buffer, data: Buffer, name: Buffer): Buffer {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(member.flags ?? 0, 2);
  fields.writeUInt16LE(member.method ?? 0, 4);
  fields.writeUInt32LE(member.sum ?? crc32(plain), 10);
  fields.writeUInt32LE(data.length, 14);
  fields.writeUInt32LE(member.size ?? plain.length, 18);
  fields.writeUInt16LE(name.length, 22);
  return fields;
}
